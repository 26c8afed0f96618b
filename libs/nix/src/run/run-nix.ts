import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Nix } from '../nix.ts';
import { NixError } from '../nix-error.ts';
import { type OutputLine, splitLines } from './lines.ts';
import { nixEnvironment } from './nix-environment.ts';
import { ProcessFamily } from './process-family.ts';

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
 *   `nix-processes-left`; what `onLine` throws
 */
export async function runNix(nix: Nix, run: NixRun): Promise<NixResult> {
  if (run.signal?.aborted === true) throw cancelled(run);
  await mkdir(nix.scratch, { recursive: true, mode: 0o700 });
  const scratch = await mkdtemp(join(await realpath(nix.scratch), 'nix-'));
  try {
    for (const name of ['home', 'tmp', 'conf']) await mkdir(join(scratch, name));
    return await new NixProcess(nix, run, scratch).end();
  } finally {
    await removeScratch(scratch);
  }
}

/** One process of Nix, from its start to the end of all that came of it. */
class NixProcess {
  readonly #nix: Nix;
  readonly #run: NixRun;
  readonly #child: ChildProcess;
  readonly #family: ProcessFamily;
  readonly #stopped = new AbortController();
  #problem: Error | undefined;
  #exited = false;

  constructor(nix: Nix, run: NixRun, scratch: string) {
    this.#nix = nix;
    this.#run = run;
    this.#child = spawn(run.program === 'nix' ? nix.executable : nix.storeExecutable, run.args, {
      cwd: run.cwd ?? scratch,
      env: nixEnvironment({
        scratch,
        searchPath: nix.searchPath,
        store: nix.store,
        settings: nix.settings,
        extra: { ...nix.environment, ...run.environment },
      }),
      stdio: ['ignore', 'pipe', 'pipe'],
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
      const ending = this.#endFamily();
      const status = await exit;
      this.#exited = true;
      this.#stopped.abort();
      await ending;
      const stdout = await output;
      await lines;
      if (this.#problem !== undefined) throw this.#problem;
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

async function removeScratch(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch {
    // A builder may leave folders that even their owner must not write to.
    await makeWritable(path).catch(() => undefined);
    await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function makeWritable(path: string): Promise<void> {
  await chmod(path, 0o700);
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await makeWritable(join(path, entry.name));
  }
}
