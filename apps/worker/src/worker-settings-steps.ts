import { type HostRules, parseHostRules, type ScriptNetwork } from '@sluice/activities';
import { TASK_QUEUES, type TaskQueue } from '@sluice/temporal-contract';
import type { SettingsReader } from './settings.ts';
import { readPath, readWord } from './settings-forms.ts';
import { type NixBuildSettings, readNixSettings } from './worker-settings-nix.ts';
import {
  listShownPaths,
  type OwnPath,
  readSandboxPaths,
  readScriptUser,
  type ScriptUser,
} from './worker-settings-sandbox.ts';

/** What the steps of pipelines are given on this worker. */
export interface StepSettings extends NixBuildSettings {
  /** Queues to serve; null for all that this machine can. */
  readonly queues: readonly TaskQueue[] | null;
  /** Folder with a folder for each tenant, in it one for each environment with a file for each secret; null without secrets. */
  readonly secretsDir: string | null;
  /** File of the channels that notify@1 knows; null without channels. */
  readonly notifyChannels: string | null;
  /** File of the providers that analyses of rollouts ask; null where there are the agents' own samples alone. */
  readonly analysisProviders: string | null;
  /** Hosts that pipelines may have asked: these alone, where given. */
  readonly outboundAllow: HostRules | undefined;
  /** Hosts that they may not. */
  readonly outboundDeny: HostRules | undefined;
  /** Path of `bwrap`; null for the first on PATH. */
  readonly bubblewrap: string | null;
  /** Folders that scripts may read beside the system's programs. */
  readonly sandboxPaths: readonly string[];
  /** What of the machine's network a script gets that asks for it. */
  readonly scriptNetwork: ScriptNetwork;
  /** What of the worker's own scripts would see, a sentence for each; then none is run. */
  readonly shown: readonly string[];
  /** As whom scripts run. */
  readonly scriptUser: ScriptUser;
  /** Scripts that run here at a time. */
  readonly scriptsAtOnce: number;
  /** Builds that run here at a time. */
  readonly buildsAtOnce: number;
}

/**
 * Reads the settings of steps; problems are told to the reader.
 * @param own files and folders of the worker that no script may see, besides those that are named here
 */
export function readStepSettings(
  reader: SettingsReader,
  own: readonly OwnPath[] = [],
): StepSettings {
  const steps = {
    queues: readQueues(reader),
    secretsDir: readPath(reader, 'SLUICE_SECRETS_DIR'),
    notifyChannels: readPath(reader, 'SLUICE_NOTIFY_CHANNELS'),
    analysisProviders: readPath(reader, 'SLUICE_ANALYSIS_PROVIDERS'),
    outboundAllow: readHosts(reader, 'SLUICE_OUTBOUND_ALLOW'),
    outboundDeny: readHosts(reader, 'SLUICE_OUTBOUND_DENY'),
    bubblewrap: readPath(reader, 'SLUICE_BUBBLEWRAP'),
    scriptNetwork: readWord(reader, 'SLUICE_SCRIPT_NETWORK', ['none', 'all'] as const),
    scriptUser: readScriptUser(reader),
    scriptsAtOnce: reader.integer('SLUICE_SCRIPTS_AT_ONCE', 4, 1, 256),
    buildsAtOnce: reader.integer('SLUICE_BUILDS_AT_ONCE', 2, 1, 64),
    ...readNixSettings(reader),
  };
  const named: readonly [string, string | null][] = [
    ['SLUICE_SECRETS_DIR', steps.secretsDir],
    ['SLUICE_NOTIFY_CHANNELS', steps.notifyChannels],
    ['SLUICE_ANALYSIS_PROVIDERS', steps.analysisProviders],
    ['SLUICE_NIX_SCRATCH', steps.nixScratch],
  ];
  const ownOfSteps = named.flatMap(([variable, path]) =>
    path === null ? [] : [{ variable, path }],
  );
  const all = [...own, ...ownOfSteps];
  return { ...steps, shown: listShownPaths(all), sandboxPaths: readSandboxPaths(reader, all) };
}

function readQueues(reader: SettingsReader): readonly TaskQueue[] | null {
  const text = reader.optional('SLUICE_WORKER_QUEUES', undefined);
  if (text === undefined) return null;
  const known: Readonly<Record<string, TaskQueue>> = TASK_QUEUES;
  const queues = new Set<TaskQueue>();
  for (const name of text.split(',').map((part) => part.trim())) {
    const queue = Object.hasOwn(known, name) ? known[name] : undefined;
    if (queue === undefined) {
      reader.refuse(
        `SLUICE_WORKER_QUEUES names "${name.slice(0, 60)}": write some of ${Object.keys(known).join(', ')}, with commas between them.`,
      );
    } else queues.add(queue);
  }
  return [...queues];
}

function readHosts(reader: SettingsReader, variable: string): HostRules | undefined {
  const text = reader.optional(variable, undefined);
  if (text === undefined) return undefined;
  try {
    return parseHostRules(text);
  } catch (error) {
    reader.refuse(`${variable} ${(error as Error).message}.`);
    return undefined;
  }
}
