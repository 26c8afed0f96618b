import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { childEnvironment } from '@sluice/pure';
import { type FileReplay, unreadable } from './file-replay.ts';
import type { LaneAnswer, LaneRequest, LaneSettings } from './lane-messages.ts';

/** Replays one file at a time, apart from everything else. */
export interface Lane {
  /** Never throws: a file on which the lane dies has that as its result. */
  replayFile(file: string): Promise<FileReplay>;
  /** Whether a file fits another bundle; undefined when that cannot be told. */
  fits(file: string, bundle: string): Promise<boolean | undefined>;
  /** Resident memory after the last file. Bytes. */
  memory(): number;
  close(): void;
}

const PROGRAM = fileURLToPath(new URL('./lane-main.js', import.meta.url));
/** The largest histories take minutes; what takes longer than this has come to a standstill. */
const FILE_TIMEOUT_MS = 900_000;
/** Workflow code that runs so long without a pause is in an endless loop; production allows it 5 s. */
const SILENCE_MS = 60_000;
const MAX_STDERR = 4000;

/** How lanes are started; specs start something else. */
export interface LaneOptions {
  readonly program?: string;
  readonly fileTimeoutMs?: number;
  readonly silenceMs?: number;
}

/**
 * Starts a lane; one that dies is started again for the next file.
 * @throws Error when the bundle or the keys are not taken
 */
export async function startLane(settings: LaneSettings, options: LaneOptions = {}): Promise<Lane> {
  const { program = PROGRAM } = options;
  const limits: Limits = {
    fileMs: options.fileTimeoutMs ?? FILE_TIMEOUT_MS,
    silenceMs: options.silenceMs ?? SILENCE_MS,
  };
  let memory = 0;
  let lane: LaneProcess | undefined = await open();

  async function open(): Promise<LaneProcess> {
    const started = new LaneProcess(program);
    const { answer, death } = await started.ask({ kind: 'settings', settings }, limits);
    if (answer?.kind === 'ready') return started;
    started.end();
    throw new Error(answer?.kind === 'failed' ? answer.message : death);
  }

  async function ask(request: LaneRequest): Promise<Answered> {
    lane ??= await open();
    const answered = await lane.ask(request, limits);
    memory = answered.answer?.memory ?? memory;
    if (answered.answer === undefined) {
      lane.end();
      lane = undefined;
    }
    return answered;
  }

  /** One that cannot be started again is an answer, too: it is the file's that was asked for, and of no other. */
  const askOrDie = (request: LaneRequest): Promise<Answered> =>
    ask(request).catch((error: Error) => ({ death: error.message }));

  return {
    replayFile: async (file) => {
      const began = performance.now();
      const { answer, death } = await askOrDie({ kind: 'replay', file });
      if (answer?.kind === 'replayed') return answer.replayed;
      const message = answer?.kind === 'failed' ? answer.message : death;
      const seconds = Math.round(performance.now() - began) / 1000;
      return unreadable(file, { code: 'replay-died', message }, seconds);
    },
    fits: async (file, bundle) => {
      const { answer } = await askOrDie({ kind: 'fits', file, bundle });
      return answer?.kind === 'fits' ? (answer.fits ?? undefined) : undefined;
    },
    memory: () => memory,
    close: () => lane?.end(),
  };
}

/** Without an answer: how the process ended. */
interface Answered {
  readonly answer?: LaneAnswer;
  readonly death: string;
}

interface Limits {
  readonly fileMs: number;
  readonly silenceMs: number;
}

/** Lanes that are stuck would not see that this process has ended. */
const living = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

class LaneProcess {
  readonly #child: ChildProcess;
  #said = '';

  constructor(program: string) {
    // The debugger's flags are for this process; a lane that waits for a debugger would never answer.
    const execArgv = process.execArgv.filter((flag) => !flag.startsWith('--inspect'));
    // Kept code may be a stranger's.
    const env = childEnvironment(process.env);
    this.#child = fork(program, [], { execArgv, env, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    living.add(this.#child);
    this.#child.once('close', () => living.delete(this.#child));
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#said = (this.#said + chunk.toString('utf8')).slice(-MAX_STDERR);
    });
  }

  ask(request: LaneRequest, { fileMs, silenceMs }: Limits): Promise<Answered> {
    const child = this.#child;
    return new Promise((resolve) => {
      const settle = (answered: Answered): void => {
        clearTimeout(timer);
        clearTimeout(silence);
        child.off('message', hear);
        child.off('close', leave);
        child.off('error', fail);
        resolve(answered);
      };
      const hear = (answer: LaneAnswer): void => {
        if (answer.kind === 'alive') silence.refresh();
        else settle({ answer, death: '' });
      };
      const leave = (status: number | null, signal: string | null): void =>
        settle({ death: this.#deathOf(status, signal) });
      const fail = (error: Error): void => settle({ death: error.message });
      const timer = setTimeout(() => {
        const death = `Replaying it did not end within ${fileMs / 1000} s, so it was stopped.`;
        settle({ death });
      }, fileMs);
      const silence = setTimeout(() => {
        const death = `Its code ran for ${silenceMs / 1000} s without a pause, which is an endless loop; it was stopped.`;
        settle({ death });
      }, silenceMs);
      child.on('message', hear);
      child.once('close', leave);
      child.once('error', fail);
      child.send(request, (error) => {
        if (error !== null && !child.connected && child.exitCode !== null) fail(error);
      });
    });
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }

  #deathOf(status: number | null, signal: string | null): string {
    const how = signal === null ? `with status ${status}` : `by ${signal}`;
    const isFull = /heap out of memory/i.test(this.#said);
    if (isFull) {
      return 'The process that replayed it ran out of memory. Give it more: NODE_OPTIONS=--max-old-space-size=8192.';
    }
    const last = this.#said.trim().split('\n').at(-1) ?? '';
    return `The process that replayed it ended ${how}${last === '' ? '.' : `: ${last}`}`;
  }
}
