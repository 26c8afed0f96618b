import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Nix } from '../nix.ts';
import { NixError } from '../nix-error.ts';
import { type OutputLine, splitLines } from './lines.ts';
import { nixEnvironment } from './nix-environment.ts';
import {
  createNixGroup,
  findExceeded,
  GATE,
  GATE_FD,
  GO,
  limitsMissing,
  type NixLimitGroup,
} from './nix-limits.ts';
import { ProcessFamily } from './process-family.ts';
import { makeScratch, removeScratch } from './scratch-folder.ts';

/** One run of Nix: an argument vector, never a shell. */
export interface NixRun {
  readonly program: 'nix' | 'nix-store';
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly signal?: AbortSignal;
  readonly timeoutMs: number;
  /** Bytes of standard output; more is an error. */
  readonly maxOutputBytes?: number;
  /** Environment of this run only. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Takes each line of standard error; Nix waits for it. */
  readonly onLine?: (line: OutputLine) => void | Promise<void>;
  /** Called at once and then as often as {@link NixRun.heartbeatMs} says, while Nix runs. */
  readonly heartbeat?: () => void;
  readonly heartbeatMs?: number;
  /** Under the limits of {@link Nix.limits}: it runs what a stranger wrote. */
  readonly bounded?: true;
}

/** How Nix ended. */
export interface NixResult {
  /** Exit status; null when a signal ended it. */
  readonly status: number | null;
  readonly stdout: string;
}

const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
const MAX_LINE_BYTES = 1024 * 1024;
const HEARTBEAT_MS = 5000;
const LOOK_MS = 50;
const KILL_WAIT_MS = 10_000;

/**
 * Runs Nix to its end; a non-zero status is a result. However it ends, when this settles nothing that
 * came of it runs any more: cancelling and running out of time send SIGTERM, after the grace time SIGKILL,
 * to its process group, its builders, and what they left behind.
 * @throws NixError `nix-missing`, `nix-cancelled`, `nix-timeout`, `nix-output-too-large`,
 *   `nix-processes-left`, `nix-limits-missing`, `build-memory-exceeded`, `build-processes-exceeded`; what `onLine` throws
 */
export async function runNix(nix: Nix, run: NixRun): Promise<NixResult> {
  if (run.signal?.aborted === true) throw cancelled(run);
  const scratch = await makeScratch(nix.scratch);
  try {
    if (run.bounded !== true || nix.limits === undefined) {
      return await new NixProcess(nix, run, scratch).end();
    }
    // The shell in its place would only say a status.
    await access(programOf(nix, run), constants.X_OK).catch((cause) => {
      throw missing(nix, cause);
    });
    const group = await createNixGroup(nix.limits);
    try {
      return await new NixProcess(nix, run, scratch, group).end();
    } finally {
      // One that still has a process is removed when the next worker starts.
      await group.remove().catch(() => undefined);
    }
  } finally {
    await removeScratch(scratch);
  }
}

/** One process of Nix, from its start to the end of all that came of it. */
class NixProcess {
  readonly #nix: Nix;
  readonly #run: NixRun;
  readonly #group: NixLimitGroup | undefined;
  readonly #child: ChildProcess;
  readonly #family: ProcessFamily;
  readonly #stopped = new AbortController();
  #problem: Error | undefined;
  #exited = false;

  constructor(nix: Nix, run: NixRun, scratch: string, group?: NixLimitGroup) {
    this.#nix = nix;
    this.#run = run;
    this.#group = group;
    const program = programOf(nix, run);
    const [command, args, gate]: [string, readonly string[], readonly 'pipe'[]] =
      group === undefined
        ? [program, run.args, []]
        : ['/bin/sh', ['-c', GATE, program, ...run.args], ['pipe']];
    this.#child = spawn(command, args, {
      cwd: run.cwd ?? scratch,
      env: nixEnvironment({
        scratch,
        searchPath: nix.searchPath,
        store: nix.store,
        settings: nix.settings,
        extra: { ...nix.environment, ...run.environment },
      }),
      stdio: ['ignore', 'pipe', 'pipe', ...gate],
      detached: true,
    });
    this.#family = new ProcessFamily(this.#child.pid ?? 0, scratch);
  }

  async end(): Promise<NixResult> {
    const { signal, timeoutMs, heartbeat, heartbeatMs } = this.#run;
    // From the start: what nobody reads when the process exits is thrown away.
    const exit = this.#exit();
    const output = this.#readOutput();
    const lines = this.#readLines();
    for (const reading of [output, lines]) reading.catch(() => undefined);
    await this.#start();
    await this.#family.begin();
    const onAbort = (): void => this.#stop(cancelled(this.#run));
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    const deadline = setTimeout(() => this.#stop(timedOut(this.#run)), timeoutMs);
    const pulse = setInterval(() => {
      heartbeat?.();
      // Who is seen now is known later, when it has left its parents.
      void this.#family.listRunning();
    }, heartbeatMs ?? HEARTBEAT_MS);
    heartbeat?.();
    try {
      await this.#enterGroup();
      const ending = this.#endFamily();
      const status = await exit;
      this.#exited = true;
      this.#stopped.abort();
      await ending;
      const stdout = await output;
      await lines;
      if (this.#problem !== undefined) throw this.#problem;
      if (status !== 0) await this.#assertWithinLimits();
      return { status, stdout };
    } finally {
      clearTimeout(deadline);
      clearInterval(pulse);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  #stop(problem: Error): void {
    this.#problem ??= problem;
    this.#stopped.abort();
  }

  /** Puts the limits on before the program begins; where they cannot be had it never does. */
  async #enterGroup(): Promise<void> {
    const pid = this.#child.pid;
    if (this.#group === undefined || pid === undefined) return;
    const gate = this.#child.stdio[GATE_FD] as Writable;
    // How the other end took it shows in how it ends.
    gate.on('error', () => undefined);
    try {
      await this.#group.add(pid);
      gate.end(GO);
    } catch (cause) {
      this.#stop(limitsMissing(cause));
      gate.destroy();
    }
  }

  async #assertWithinLimits(): Promise<void> {
    const { limits } = this.#nix;
    if (this.#group === undefined || limits === undefined) return;
    const exceeded = findExceeded(commandOf(this.#run), limits, await this.#group.count());
    if (exceeded !== undefined) throw exceeded;
  }

  /** Waits for the end or for the order to stop; returns when nothing of the family is left. */
  async #endFamily(): Promise<void> {
    if (!this.#stopped.signal.aborted) {
      await new Promise((resolve) => {
        this.#stopped.signal.addEventListener('abort', resolve, { once: true });
      });
    }
    if (!this.#exited) {
      await this.#family.signal('SIGTERM');
      await this.#isGoneWithin(this.#nix.graceMs);
    }
    const end = Date.now() + KILL_WAIT_MS;
    for (;;) {
      const running = await this.#family.listRunning();
      if (running.length === 0) return;
      if (Date.now() > end) {
        const code = 'nix-processes-left';
        const message = `Processes ${running.join(', ')} of a Nix run do not end by SIGKILL. Look at them with ps.`;
        this.#problem = new NixError(code, message, {}, { cause: this.#problem });
        return;
      }
      await this.#family.signal('SIGKILL');
      await sleep(LOOK_MS);
    }
  }

  async #isGoneWithin(milliseconds: number): Promise<void> {
    const end = Date.now() + milliseconds;
    while (Date.now() < end && (await this.#family.listRunning()).length > 0) await sleep(LOOK_MS);
  }

  #start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#child.once('spawn', resolve);
      this.#child.once('error', (cause) => reject(missing(this.#nix, cause)));
    });
  }

  #exit(): Promise<number | null> {
    return new Promise((resolve) => {
      this.#child.once('exit', (status) => resolve(status));
    });
  }

  async #readOutput(): Promise<string> {
    const most = this.#run.maxOutputBytes ?? MAX_OUTPUT_BYTES;
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of this.#child.stdout as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size <= most) chunks.push(chunk);
      else this.#stop(tooMuch(this.#run, most));
    }
    return size > most ? '' : Buffer.concat(chunks).toString('utf8');
  }

  async #readLines(): Promise<void> {
    const stream = this.#child.stderr as AsyncIterable<Buffer>;
    let failed = false;
    for await (const line of splitLines(stream, MAX_LINE_BYTES)) {
      if (failed) continue;
      try {
        await this.#run.onLine?.(line);
      } catch (error) {
        // Read on: a full pipe would keep Nix from ending.
        failed = true;
        this.#stop(error as Error);
      }
    }
  }
}

function programOf(nix: Nix, { program }: NixRun): string {
  return program === 'nix' ? nix.executable : nix.storeExecutable;
}

function commandOf(run: NixRun): string {
  return `${run.program} ${run.args.find((arg) => /^-{0,2}[a-z][a-z-]*$/.test(arg)) ?? ''}`.trim();
}

function cancelled(run: NixRun): NixError {
  return new NixError('nix-cancelled', `"${commandOf(run)}" was cancelled; nothing of it runs.`);
}

function timedOut(run: NixRun): NixError {
  return new NixError(
    'nix-timeout',
    `"${commandOf(run)}" did not end within ${Math.round(run.timeoutMs / 100) / 10} s and was stopped. Give it more time, or make it do less.`,
  );
}

function tooMuch(run: NixRun, most: number): NixError {
  return new NixError(
    'nix-output-too-large',
    `"${commandOf(run)}" printed more than ${most} bytes and was stopped.`,
  );
}

function missing(nix: Nix, cause: NodeJS.ErrnoException): NixError {
  return new NixError(
    'nix-missing',
    `${nix.executable} can not be started (${cause.code ?? cause.message}). Install Nix (Debian: nix-bin), or name its path.`,
    {},
    { cause },
  );
}
