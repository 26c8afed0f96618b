import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ActivityDependencies,
  createFolderSecrets,
  createHostSandbox,
  createOutboundClients,
  readChannelFile,
} from '@sluice/activities';
import { type Nix, probeNix, probeNixSandbox } from '@sluice/nix';
import type { Logger } from '@sluice/observability';
import { TASK_QUEUES, type TaskQueue } from '@sluice/temporal-contract';
import { SettingsError } from './settings.ts';
import type { StepSettings } from './worker-settings-steps.ts';

/** What steps are given here, and the queues whose steps have all that they need. */
export interface StepCapabilities {
  readonly parts: Pick<
    ActivityDependencies,
    'secrets' | 'channels' | 'outbound' | 'sandbox' | 'nix'
  >;
  readonly queues: readonly TaskQueue[];
  /** Queue → `served`, or why not. */
  readonly report: Readonly<Record<string, string>>;
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
  const channels =
    settings.notifyChannels === null ? undefined : await readChannelFile(settings.notifyChannels);
  if (channels?.needSecrets === true && settings.secretsDir === null) {
    throw new SettingsError([
      'SLUICE_SECRETS_DIR is not set, and channels in SLUICE_NOTIFY_CHANNELS name secrets.',
    ]);
  }
  const sandbox = await findSandbox(settings);
  const build = await findNix(settings);
  if (build.part !== undefined && settings.nixSandbox === 'off')
    logger.warn({ queue: TASK_QUEUES.build }, UNBOUND_BUILDS);
  const { queues, report } = await chooseQueues(settings, {
    [TASK_QUEUES.script]: sandbox.missing,
    [TASK_QUEUES.build]: build.missing,
  }).catch(async (error: unknown) => {
    await build.close();
    throw error;
  });
  for (const [queue, state] of Object.entries(report)) {
    if (state !== SERVED)
      logger.warn({ queue }, `the queue is not served by this worker: ${state}`);
  }
  return {
    parts: {
      secrets: settings.secretsDir === null ? undefined : createFolderSecrets(settings.secretsDir),
      channels,
      outbound: createOutboundClients({
        allow: settings.outboundAllow,
        deny: settings.outboundDeny,
      }),
      sandbox: sandbox.part,
      nix: build.part,
    },
    queues,
    report,
    close: build.close,
  };
}

const SERVED = 'served';
const UNBOUND_BUILDS =
  "SLUICE_NIX_SANDBOX is off: builders are programs of this worker's user, and may read what it may read";

/** A capability of this machine, or what is missing for it. */
interface Found<T> {
  readonly part: T | undefined;
  readonly missing?: string | undefined;
}

async function assertSettings({ secretsDir }: StepSettings): Promise<void> {
  if (secretsDir === null) return;
  const found = await stat(secretsDir).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  throw new SettingsError([
    `SLUICE_SECRETS_DIR names ${secretsDir}, which is no folder that this worker can open: make it, with a folder for each tenant.`,
  ]);
}

/** What nobody is to serve here is not looked for. */
function isServed({ queues }: StepSettings, queue: TaskQueue): boolean {
  return queues === null || queues.includes(queue);
}

async function findSandbox(
  settings: StepSettings,
): Promise<Found<ActivityDependencies['sandbox']>> {
  if (!isServed(settings, TASK_QUEUES.script)) return { part: undefined };
  const part = createHostSandbox(
    {
      ...(settings.bubblewrap === null ? {} : { bubblewrap: settings.bubblewrap }),
      ...(settings.sandboxPaths.length === 0 ? {} : { readOnlyPaths: settings.sandboxPaths }),
    },
    settings.scriptNetwork,
  );
  const probe = await part.probe();
  if (probe.usable) return { part };
  const gaps = probe.missing.filter(({ stops }) => stops);
  return {
    part: undefined,
    missing: gaps.map(({ message, how }) => `${message} ${how}`).join(' '),
  };
}

async function findNix(
  settings: StepSettings,
): Promise<Found<ActivityDependencies['nix']> & { close(): Promise<void> }> {
  if (!isServed(settings, TASK_QUEUES.build)) {
    return { part: undefined, close: async () => undefined };
  }
  const sandboxed = settings.nixSandbox === 'on';
  if (!sandboxed && settings.queues === null) {
    return {
      part: undefined,
      missing: `${UNBOUND_BUILDS}. Name build in SLUICE_WORKER_QUEUES to serve it so, or take SLUICE_NIX_SANDBOX away.`,
      close: async () => undefined,
    };
  }
  const own =
    settings.nixScratch === null ? await mkdtemp(join(tmpdir(), 'sluice-worker-nix-')) : null;
  const close = async (): Promise<void> => {
    if (own !== null) await rm(own, { recursive: true, force: true });
  };
  try {
    const probe = await probeNix({
      scratch: settings.nixScratch ?? own ?? tmpdir(),
      ...(settings.nix === null ? {} : { executable: settings.nix }),
      ...(settings.nixStore === null
        ? {}
        : { store: { kind: 'own' as const, folder: settings.nixStore } }),
      settings: { sandbox: String(sandboxed) },
    });
    const lacking = probe.found && sandboxed ? await findSandboxGap(probe.nix) : undefined;
    if (probe.found && lacking === undefined) return { part: probe.nix, close };
    await close();
    const missing = probe.found ? lacking : `${probe.missing} ${probe.remedy}`;
    return { part: undefined, missing, close: async () => undefined };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A build is tried at the start, not when a promotion needs it. */
async function findSandboxGap(nix: Nix): Promise<string | undefined> {
  const probe = await probeNixSandbox(nix);
  if (probe.works) return undefined;
  return `${probe.missing} ${probe.remedy} Or let builds run as the worker's user: SLUICE_NIX_SANDBOX=off, and build in SLUICE_WORKER_QUEUES.`;
}

/** Queues to serve: those that are named, which all must be possible, else all that are. */
async function chooseQueues(
  settings: StepSettings,
  missing: Readonly<Partial<Record<TaskQueue, string | undefined>>>,
): Promise<Pick<StepCapabilities, 'queues' | 'report'>> {
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
