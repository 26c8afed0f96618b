import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { BoundedLog } from './bounded-log.ts';
import type { GroupCounts, LimitGroup } from './limit-group.ts';
import type { SandboxChild } from './sandbox-child.ts';
import { SandboxError } from './sandbox-error.ts';
import type { LogStream, SandboxOutcome, SandboxResult, SandboxRun } from './sandbox-run.ts';

const DEFAULT_GRACE_MS = 5000;
const WATCH_PAUSE_MS = 100;
/** Log that nobody will see is read slowly: an endless one must not take this process's time. */
const FULL_LOG_PAUSE_MS = 4;
/** The kernel ends what it was told to end; longer means that a device holds it. */
const END_DEADLINE_MS = 60_000;
/** For the log's rest to be taken after the end. */
const DRAIN_DEADLINE_MS = 30_000;

/** How a supervised script came to its end. */
export interface Ending {
  /** Why it was ended; undefined when it ended by itself. */
  readonly reason: SandboxOutcome | undefined;
  readonly ranOut: SandboxResult['ranOut'];
  /** bubblewrap's exit code. */
  readonly code: number;
  readonly wallMilliseconds: number;
  readonly counts: GroupCounts;
}

/**
 * Lets a prepared script start, and stays until nothing of it is left: hands out its log, keeps what no kernel limit keeps, and
 * ends it when time runs out, a limit was met or the caller wants it.
 */
export async function supervise(
  run: SandboxRun,
  child: SandboxChild,
  init: number,
  group: LimitGroup,
  log: BoundedLog,
): Promise<Ending> {
  const started = performance.now();
  const stopper = new Stopper(child, init, run.graceMilliseconds ?? DEFAULT_GRACE_MS);
  const wall = setTimeout(
    () => stopper.stop('timed-out', 'wallSeconds'),
    run.limits.wallSeconds * 1000,
  );
  const onAbort = (): void => stopper.stop('cancelled');
  run.signal?.addEventListener('abort', onAbort, { once: true });
  if (run.signal?.aborted === true) onAbort();
  const pumps = (['stdout', 'stderr'] as const).map((stream) =>
    pump(child.logs[stream], stream, log).catch((error: unknown) => stopper.fail(error)),
  );
  const watching = watch(run, group, stopper).catch((error: unknown) => stopper.fail(error));
  // Ended before it began, it stays at its gate, where it ends.
  if (stopper.reason === undefined) child.release();
  let code: number;
  try {
    code = await Promise.race([child.ended, stopper.stuck]);
  } finally {
    clearTimeout(wall);
    run.signal?.removeEventListener('abort', onAbort);
    stopper.over();
    await Promise.race([Promise.all(pumps), delay(DRAIN_DEADLINE_MS, undefined, { ref: false })]);
    for (const reader of Object.values(child.logs)) reader.destroy();
    await watching;
  }
  const wallMilliseconds = performance.now() - started;
  if (stopper.failure !== undefined) throw stopper.failure.error;
  await log.end(new Date());
  const counts = await group.count();
  return { reason: stopper.reason, ranOut: stopper.ranOut, code, wallMilliseconds, counts };
}

/** Ends a script once, for the first reason that there was. */
class Stopper {
  readonly #child: SandboxChild;
  readonly #init: number;
  readonly #grace: number;
  readonly stuck: Promise<never>;
  #reject: (error: Error) => void = () => undefined;
  #timers: NodeJS.Timeout[] = [];
  #isOver = false;
  reason: SandboxOutcome | undefined;
  ranOut: SandboxResult['ranOut'] = null;
  failure: { readonly error: unknown } | undefined;

  constructor(child: SandboxChild, init: number, grace: number) {
    this.#child = child;
    this.#init = init;
    this.#grace = grace;
    this.stuck = new Promise((_, reject) => {
      this.#reject = reject;
    });
    this.stuck.catch(() => undefined);
  }

  /** True when nothing is left to be watched. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Asks the script to end, and ends it when it does not; one that met a limit is not asked. */
  stop(reason: SandboxOutcome, ranOut: SandboxResult['ranOut'] = null): void {
    if (this.#isOver) return;
    const isFirst = this.reason === undefined;
    if (isFirst) {
      this.reason = reason;
      this.ranOut = ranOut;
    }
    const isAsked = reason === 'timed-out' || reason === 'cancelled';
    if (!isAsked) this.#kill();
    else if (isFirst) {
      this.#ask();
      this.#timers.push(setTimeout(() => this.#kill(), this.#grace));
    }
  }

  /** Ends the script because this side cannot go on. */
  fail(error: unknown): void {
    if (this.#isOver && this.reason !== undefined) return;
    this.failure ??= { error };
    this.#kill();
  }

  over(): void {
    this.#isOver = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }

  /**
   * The first process leads the session and group of all that did not leave it, and takes no signal from outside but SIGKILL; it is
   * ours until it is reaped, so the number cannot have gone to somebody else.
   */
  #ask(): void {
    try {
      process.kill(-this.#init, 'SIGTERM');
    } catch {
      // All of it ended, or left the group: SIGKILL reaches it there.
    }
  }

  #kill(): void {
    if (this.#isOver) return;
    this.#child.kill();
    this.#timers.push(
      setTimeout(() => {
        const message = `The script's processes did not end ${END_DEADLINE_MS / 1000} s after SIGKILL: look for ones in state D below process ${this.#init}.`;
        this.#reject(new SandboxError('sandbox-end-failed', message));
      }, END_DEADLINE_MS),
    );
  }
}

async function pump(reader: Readable, stream: LogStream, log: BoundedLog): Promise<void> {
  for await (const chunk of reader) {
    await log.push(chunk as Buffer, stream, new Date());
    if (log.isFull) await delay(FULL_LOG_PAUSE_MS);
  }
}

/** Looks at what was counted, for limits after which the kernel lets a script go on. */
async function watch(run: SandboxRun, group: LimitGroup, stopper: Stopper): Promise<void> {
  while (!stopper.isOver) {
    const counts = await group.count();
    const exceeded = findExceeded(run, counts);
    if (exceeded !== undefined) stopper.stop(exceeded.outcome, exceeded.ranOut);
    await delay(WATCH_PAUSE_MS);
  }
}

/** The limit that was met, by what was counted. */
export function findExceeded(
  { limits }: Pick<SandboxRun, 'limits'>,
  counts: GroupCounts,
): { readonly outcome: SandboxOutcome; readonly ranOut: SandboxResult['ranOut'] } | undefined {
  if (counts.memoryRefusals > 0 || (counts.memoryBytes ?? 0) > limits.memoryBytes) {
    return { outcome: 'memory-exceeded', ranOut: null };
  }
  if (counts.processRefusals > 0) return { outcome: 'processes-exceeded', ranOut: null };
  if (limits.cpuSeconds !== undefined && (counts.cpuSeconds ?? 0) >= limits.cpuSeconds) {
    return { outcome: 'timed-out', ranOut: 'cpuSeconds' };
  }
  return undefined;
}
