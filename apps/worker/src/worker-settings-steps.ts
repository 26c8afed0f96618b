import { isAbsolute } from 'node:path';
import { type HostRules, parseHostRules, type ScriptNetwork } from '@sluice/activities';
import { TASK_QUEUES, type TaskQueue } from '@sluice/temporal-contract';
import type { SettingsReader } from './settings.ts';
import { type OwnPath, readSandboxPaths } from './worker-settings-sandbox.ts';

/** What the steps of pipelines are given on this worker. */
export interface StepSettings {
  /** Queues to serve; null for all that this machine can. */
  readonly queues: readonly TaskQueue[] | null;
  /** Folder with a folder for each tenant, a file for each secret; null without secrets. */
  readonly secretsDir: string | null;
  /** File of the channels that notify@1 knows; null without channels. */
  readonly notifyChannels: string | null;
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
  /** Path of `nix`; null for the first on PATH. */
  readonly nix: string | null;
  /** Whether builds are kept from this machine. */
  readonly nixSandbox: 'on' | 'off';
  /** Folder of a Nix store of its own; null for the machine's. */
  readonly nixStore: string | null;
  /** Folder for what builds need besides the store; null for a temporary one. */
  readonly nixScratch: string | null;
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
    outboundAllow: readHosts(reader, 'SLUICE_OUTBOUND_ALLOW'),
    outboundDeny: readHosts(reader, 'SLUICE_OUTBOUND_DENY'),
    bubblewrap: readPath(reader, 'SLUICE_BUBBLEWRAP'),
    scriptNetwork: readWord(reader, 'SLUICE_SCRIPT_NETWORK', ['none', 'all'] as const),
    nix: readPath(reader, 'SLUICE_NIX'),
    nixSandbox: readWord(reader, 'SLUICE_NIX_SANDBOX', ['on', 'off'] as const),
    nixStore: readPath(reader, 'SLUICE_NIX_STORE'),
    nixScratch: readPath(reader, 'SLUICE_NIX_SCRATCH'),
  };
  const named: readonly [string, string | null][] = [
    ['SLUICE_SECRETS_DIR', steps.secretsDir],
    ['SLUICE_NOTIFY_CHANNELS', steps.notifyChannels],
    ['SLUICE_NIX_SCRATCH', steps.nixScratch],
  ];
  const ownOfSteps = named.flatMap(([variable, path]) =>
    path === null ? [] : [{ variable, path }],
  );
  return { ...steps, sandboxPaths: readSandboxPaths(reader, [...own, ...ownOfSteps]) };
}

/** One of some words; the first where the variable is absent. */
function readWord<Word extends string>(
  reader: SettingsReader,
  variable: string,
  words: readonly [Word, ...Word[]],
): Word {
  const text = reader.optional(variable, words[0]);
  const found = words.find((word) => word === text);
  if (found === undefined) {
    reader.refuse(`${variable} is "${text.slice(0, 60)}": write ${words.join(' or ')}.`);
  }
  return found ?? words[0];
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

function readPath(reader: SettingsReader, variable: string): string | null {
  const path = reader.optional(variable, undefined);
  if (path === undefined) return null;
  if (!isAbsolute(path)) reader.refuse(`${variable} is no absolute path: write one.`);
  return path;
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
