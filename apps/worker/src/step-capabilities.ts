import { stat } from 'node:fs/promises';
import {
  type ActivityDependencies,
  createFolderSecrets,
  createOutboundClients,
  readChannelFile,
  readProviderFile,
} from '@sluice/activities';
import type { Logger } from '@sluice/observability';
import { TASK_QUEUES, type TaskQueue } from '@sluice/temporal-contract';
import { isServed } from './found-capability.ts';
import { findNix } from './nix-capability.ts';
import { type QueueCheck, type QueueWatch, watchQueues } from './queue-watch.ts';
import { findScriptSandbox } from './sandbox-capability.ts';
import { SettingsError } from './settings.ts';
import { tellMisplacedSecrets } from './tell-misplaced-secrets.ts';
import type { StepSettings } from './worker-settings-steps.ts';

/** The queues that a worker serves, and why not the others. */
export interface QueueChoice {
  readonly queues: readonly TaskQueue[];
  /** Queue → `served`, or why not. */
  readonly report: Readonly<Record<string, string>>;
}

/** What steps are given here, and the queues whose steps have all that they need. */
export interface StepCapabilities extends QueueChoice {
  readonly parts: Pick<
    ActivityDependencies,
    'secrets' | 'channels' | 'analysisProviders' | 'outbound' | 'sandbox' | 'nix'
  > & { readonly nixTrouble: NonNullable<ActivityDependencies['nixTrouble']> };
  /** How many of a queue may run here at a time, where a setting says so. */
  readonly atOnce: Readonly<Partial<Record<TaskQueue, number>>>;
  /**
   * Goes on looking whether the machine has what its queues need.
   * @param onChange told of the queues whenever what one of them lacks has changed
   */
  watch(onChange: (choice: QueueChoice) => void): Pick<QueueWatch, 'stop'>;
  /** Removes what was made for them. */
  close(): Promise<void>;
}

/**
 * Looks at what this machine has for steps. A queue that it cannot serve is left to other workers: its steps wait there until their deadline,
 * never run with less than they need.
 * @throws SettingsError when a setting names what is not there, or a queue that cannot be served
 */
export async function findStepCapabilities(
  settings: StepSettings,
  logger: Logger,
): Promise<StepCapabilities> {
  await assertSettings(settings);
  if (settings.secretsDir !== null) await tellMisplacedSecrets(settings.secretsDir, logger);
  const channels =
    settings.notifyChannels === null ? undefined : await readChannelFile(settings.notifyChannels);
  const analysisProviders =
    settings.analysisProviders === null
      ? undefined
      : await readProviderFile(settings.analysisProviders);
  const naming = [
    ...(channels?.needSecrets === true ? ['channels in SLUICE_NOTIFY_CHANNELS'] : []),
    ...(analysisProviders?.needSecrets === true ? ['providers in SLUICE_ANALYSIS_PROVIDERS'] : []),
  ];
  if (naming.length > 0 && settings.secretsDir === null) {
    throw new SettingsError(
      naming.map((what) => `SLUICE_SECRETS_DIR is not set, and ${what} name secrets.`),
    );
  }
  let watched: QueueWatch | undefined;
  const sandbox = await findScriptSandbox(settings, () => {
    void watched?.look(TASK_QUEUES.script);
  });
  const build = await findNix(settings, logger);
  const closeBuild = async (): Promise<void> => build.close?.();
  const lacks = { [TASK_QUEUES.script]: sandbox.missing, [TASK_QUEUES.build]: build.missing };
  const choice = await chooseQueues(settings, lacks).catch(async (error: unknown) => {
    await closeBuild();
    throw error;
  });
  for (const [queue, state] of Object.entries(choice.report)) {
    if (state !== SERVED)
      logger.warn({ queue }, `the queue is not served by this worker: ${state}`);
  }
  const checks = new Map<TaskQueue, QueueCheck>();
  if (sandbox.check !== undefined) checks.set(TASK_QUEUES.script, sandbox.check);
  if (build.check !== undefined) checks.set(TASK_QUEUES.build, build.check);
  return {
    ...choice,
    parts: {
      secrets: settings.secretsDir === null ? undefined : createFolderSecrets(settings.secretsDir),
      channels,
      analysisProviders,
      outbound: createOutboundClients({
        allow: settings.outboundAllow,
        deny: settings.outboundDeny,
      }),
      sandbox: sandbox.part,
      nix: build.part,
      nixTrouble: async () => {
        build.doubt();
        return watched?.look(TASK_QUEUES.build);
      },
    },
    atOnce: {
      [TASK_QUEUES.script]: settings.scriptsAtOnce,
      [TASK_QUEUES.build]: settings.buildsAtOnce,
    },
    watch: (onChange) => {
      const lost = new Map<TaskQueue, string>();
      watched = watchQueues({
        checks,
        logger,
        onChange: (queue, missing) => {
          if (missing === undefined) lost.delete(queue);
          else lost.set(queue, missing);
          onChange(withoutLost(choice, lost));
        },
      });
      return watched;
    },
    close: closeBuild,
  };
}

/** What was chosen at the start, without what is missing since. */
function withoutLost(choice: QueueChoice, lost: ReadonlyMap<TaskQueue, string>): QueueChoice {
  const names = Object.entries(TASK_QUEUES).flatMap(([name, queue]) => {
    const missing = lost.get(queue);
    return missing === undefined ? [] : [[name, missing] as const];
  });
  return {
    queues: choice.queues.filter((queue) => !lost.has(queue)),
    report: { ...choice.report, ...Object.fromEntries(names) },
  };
}

const SERVED = 'served';
async function assertSettings({ secretsDir }: StepSettings): Promise<void> {
  if (secretsDir === null) return;
  const found = await stat(secretsDir).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  throw new SettingsError([
    `SLUICE_SECRETS_DIR names ${secretsDir}, which is no folder that this worker can open: make it, with a folder for each tenant and in that one for each environment.`,
  ]);
}

/** Queues to serve: those that are named, which all must be possible, else all that are. */
async function chooseQueues(
  settings: StepSettings,
  missing: Readonly<Partial<Record<TaskQueue, string | undefined>>>,
): Promise<QueueChoice> {
  const names = Object.entries(TASK_QUEUES);
  const named = settings.queues;
  if (named !== null) {
    const problems = names
      .filter(([, queue]) => named.includes(queue) && missing[queue] !== undefined)
      .map(
        ([name, queue]) =>
          `SLUICE_WORKER_QUEUES names ${name}, which cannot be served here. ${missing[queue]}`,
      );
    if (problems.length > 0) throw new SettingsError(problems);
  }
  const state = (queue: TaskQueue): string => {
    if (!isServed(settings, queue)) return 'not named in SLUICE_WORKER_QUEUES';
    return missing[queue] ?? SERVED;
  };
  const report = Object.fromEntries(names.map(([name, queue]) => [name, state(queue)]));
  return { queues: names.map(([, queue]) => queue).filter((one) => state(one) === SERVED), report };
}
