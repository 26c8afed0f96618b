import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { makeStepFolder } from '@sluice/activities';
import { type Nix, type NixOptions, probeNix, probeNixSandbox } from '@sluice/nix';
import type { Logger } from '@sluice/observability';
import { TASK_QUEUES } from '@sluice/temporal-contract';
import { type Found, isServed } from './found-capability.ts';
import { keepNixStore } from './keep-nix-store.ts';
import { type FoundNixLimits, findNixLimits } from './nix-limits.ts';
import type { QueueCheck } from './queue-watch.ts';
import type { StepSettings } from './worker-settings-steps.ts';

const UNBOUND_BUILDS =
  "SLUICE_NIX_SANDBOX is off: builders are programs of this worker's user, and may read what it may read";

/** A trial of the sandbox is two builds: where nobody doubts it, it is tried so often. Milliseconds. */
const TRIAL_HOLDS_MS = 3_600_000;

/** A Nix that was found, and a way to say that it is in doubt. */
export interface FoundNix extends Found<Nix> {
  /** To be called when Nix itself could not work: the next look tries all of it. */
  readonly doubt: () => void;
}

/** Looks for Nix, its sandbox and what keeps the limits of builds, by trying them; begins to keep a store of its own. */
export async function findNix(settings: StepSettings, logger: Logger): Promise<FoundNix> {
  const absent = (missing?: string): FoundNix => ({
    part: undefined,
    missing,
    doubt: () => undefined,
  });
  if (!isServed(settings, TASK_QUEUES.build)) return absent();
  const isSandboxed = settings.nixSandbox === 'on';
  if (!isSandboxed && settings.queues === null) {
    return absent(
      `${UNBOUND_BUILDS}. Name build in SLUICE_WORKER_QUEUES to serve it so, or take SLUICE_NIX_SANDBOX away.`,
    );
  }
  const own = settings.nixScratch === null ? await makeStepFolder('worker-nix') : null;
  const removeScratch = async (): Promise<void> => {
    // A look that was given up may still write there.
    if (own !== null) await rm(own, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const options = nixOptions(settings, settings.nixScratch ?? own ?? tmpdir());
    const found = await probeAll(settings, options);
    if ('missing' in found) {
      await removeScratch();
      return absent(found.missing);
    }
    const { nix } = found;
    if (!isSandboxed) logger.warn({ queue: TASK_QUEUES.build }, UNBOUND_BUILDS);
    tellLimits(found.limits, logger);
    const store = keepNixStore(nix, settings, logger);
    return {
      part: nix,
      ...watchNix(settings, options, nix),
      close: async () => {
        await store.stop();
        await removeScratch();
      },
    };
  } catch (error) {
    await removeScratch();
    throw error;
  }
}

function nixOptions(settings: StepSettings, scratch: string): NixOptions {
  const { nix, nixStore, nixSandbox } = settings;
  return {
    scratch,
    ...(nix === null ? {} : { executable: nix }),
    ...(nixStore === null ? {} : { store: { kind: 'own' as const, folder: nixStore } }),
    settings: { sandbox: String(nixSandbox === 'on') },
  };
}

type Probed = { readonly nix: Nix; readonly limits: FoundNixLimits } | { readonly missing: string };

/** A build is tried at the start, not when a promotion needs it. */
async function probeAll(
  settings: StepSettings,
  options: NixOptions,
  signal?: AbortSignal,
): Promise<Probed> {
  const found = await probeNix(options);
  signal?.throwIfAborted();
  if (!found.found) return { missing: `${found.missing} ${found.remedy}` };
  const limits = await findNixLimits(settings, found.nix);
  if (limits.limits === undefined && limits.demanded.length > 0) {
    return {
      missing: `${limits.demanded.join(', ')} cannot be kept here. ${limits.missing} Or take ${limits.demanded.length === 1 ? 'it' : 'them'} away.`,
    };
  }
  signal?.throwIfAborted();
  const nix = limits.limits === undefined ? found.nix : { ...found.nix, limits: limits.limits };
  const lacking = settings.nixSandbox === 'on' ? await findSandboxGap(nix) : undefined;
  return lacking === undefined ? { nix, limits } : { missing: lacking };
}

async function findSandboxGap(nix: Nix): Promise<string | undefined> {
  const probe = await probeNixSandbox(nix);
  if (probe.works) return undefined;
  return `${probe.missing} ${probe.remedy} Or let builds run as the worker's user: SLUICE_NIX_SANDBOX=off, and build in SLUICE_WORKER_QUEUES.`;
}

function tellLimits({ limits, missing }: FoundNixLimits, logger: Logger): void {
  const queue = TASK_QUEUES.build;
  if (limits === undefined) {
    logger.warn({ queue }, `builds have no limits but the worker's own: ${missing}`);
    return;
  }
  const { memoryBytes, cpus, processes, mechanism } = limits;
  logger.info({ queue, memoryBytes, cpus, processes, mechanism }, 'builds have limits');
}

/** Cheap while all is well: only a doubt, or a long time, is a reason to build something. */
function watchNix(
  settings: StepSettings,
  options: NixOptions,
  { limits }: Nix,
): { readonly check: QueueCheck; readonly doubt: () => void } {
  let isDoubted = false;
  let triedAt = performance.now();
  return {
    doubt: () => {
      isDoubted = true;
    },
    check: async (signal) => {
      if (!isDoubted && performance.now() - triedAt < TRIAL_HOLDS_MS) {
        const found = await probeNix(options);
        if (found.found) return undefined;
      }
      triedAt = performance.now();
      // Before it is tried: who doubts it meanwhile has seen what this may have missed.
      isDoubted = false;
      try {
        const all = await probeAll(settings, options, signal);
        const missing = 'missing' in all ? all.missing : missesLimits(limits, all.limits);
        if (missing !== undefined) isDoubted = true;
        return missing;
      } catch (error) {
        isDoubted = true;
        throw error;
      }
    },
  };
}

/** A worker that began with limits never builds without them. */
function missesLimits(began: Nix['limits'], now: FoundNixLimits): string | undefined {
  if (began === undefined || now.limits !== undefined) return undefined;
  return `The limits of builds, which were kept when this worker started, can be kept no more. ${now.missing}`;
}
