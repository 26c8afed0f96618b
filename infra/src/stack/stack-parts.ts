import type { RunRecord } from './run-record.ts';
import { StackError } from './stack-error.ts';

/** One part of a stack while it runs. */
export type RunningPart = {
  readonly pid: number;
  stop(): Promise<void>;
  signal(signal: NodeJS.Signals): Promise<void>;
  /** Resolves when it has ended, where that can be known. */
  readonly ended?: Promise<void>;
};

/** How a part is started; `onSpawn` is told the process id as soon as there is one. */
export type StartPart = (onSpawn: (pid: number) => void) => Promise<RunningPart>;

/**
 * The parts of a stack by name, in the order in which they were added: each can be started, ended,
 * killed and paused alone. What is running stands in the run record.
 */
export class StackParts {
  readonly #record: RunRecord;
  readonly #starters = new Map<string, StartPart>();
  readonly #running = new Map<string, RunningPart>();
  readonly #onUnexpectedEnd: (name: string) => void;
  // The last resort when this process exits in haste: nothing can be awaited then.
  readonly #killAllNow = (): void => {
    for (const { pid } of this.#running.values()) {
      try {
        process.kill(-pid, 'SIGKILL');
      } catch {
        // It has ended already.
      }
    }
  };

  constructor(record: RunRecord, onUnexpectedEnd: (name: string) => void = () => undefined) {
    this.#record = record;
    this.#onUnexpectedEnd = onUnexpectedEnd;
    process.once('exit', this.#killAllNow);
  }

  /** Declares a part; parts are stopped in the reverse order. */
  add(name: string, start: StartPart): void {
    this.#starters.set(name, start);
  }

  /** Names of all parts, in order. */
  get names(): string[] {
    return [...this.#starters.keys()];
  }

  isRunning(name: string): boolean {
    return this.#running.has(name);
  }

  /**
   * Process id of a running part.
   *
   * @throws StackError `stack-part-unknown` when it does not run.
   */
  getPid(name: string): number {
    return this.#get(name).pid;
  }

  /** Starts a part and waits until it is ready; one that runs is left alone. */
  async start(name: string): Promise<void> {
    const starter = this.#starters.get(name);
    if (starter === undefined) {
      throw new StackError(
        'stack-part-unknown',
        `The stack has no part "${name}"; it has ${this.names.join(', ')}.`,
      );
    }
    if (this.#running.has(name)) {
      return;
    }
    const part = await starter((pid) => this.#record.add(name, pid));
    this.#running.set(name, part);
    this.#record.add(name, part.pid);
    void part.ended?.then(() => {
      if (this.#running.get(name) === part) {
        this.#forget(name);
        this.#onUnexpectedEnd(name);
      }
    });
  }

  /** Ends a part in order; one that does not run is left alone. */
  async stop(name: string): Promise<void> {
    const part = this.#running.get(name);
    if (part !== undefined) {
      this.#running.delete(name);
      await part.stop();
      this.#record.remove(name);
    }
  }

  /**
   * Sends a signal to a part's process group; after SIGKILL it counts as ended and can be started
   * again.
   */
  async kill(name: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const part = this.#get(name);
    if (signal === 'SIGKILL') {
      this.#running.delete(name);
    }
    await part.signal(signal);
    if (signal === 'SIGKILL') {
      this.#record.remove(name);
    }
  }

  /**
   * Stops everything in the reverse order; goes on when one part fails, and reports the first
   * failure at the end.
   */
  async stopAll(): Promise<void> {
    const failures: unknown[] = [];
    for (const name of this.names.reverse()) {
      await this.stop(name).catch((error: unknown) => failures.push(error));
    }
    process.removeListener('exit', this.#killAllNow);
    this.#record.close();
    if (failures.length > 0) {
      throw failures[0];
    }
  }

  #get(name: string): RunningPart {
    const part = this.#running.get(name);
    if (part === undefined) {
      throw new StackError('stack-part-unknown', `The part "${name}" of the stack does not run.`);
    }
    return part;
  }

  #forget(name: string): void {
    this.#running.delete(name);
    this.#record.remove(name);
  }
}
