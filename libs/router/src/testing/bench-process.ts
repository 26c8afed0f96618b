import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { listChildren } from '../reload.ts';

const KEPT_OUTPUT = 8192;

/** A proxy that a test started, with what it said. */
export class BenchProcess {
  readonly #child: ChildProcess;
  #output = '';
  #ended: Promise<void>;

  constructor(program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    this.#child = spawn(program, [...args], { stdio: ['ignore', 'pipe', 'pipe'], env });
    const keep = (chunk: Buffer) => {
      this.#output = (this.#output + chunk.toString('utf8')).slice(-KEPT_OUTPUT);
    };
    this.#child.stdout?.on('data', keep);
    this.#child.stderr?.on('data', keep);
    this.#ended = new Promise((resolve) => {
      this.#child.once('exit', () => resolve());
      this.#child.once('error', (error) => {
        this.#output += error.message;
        resolve();
      });
    });
  }

  get output(): string {
    return this.#output;
  }

  /** It and its children, by SIGKILL; they first, for some of them would outlive it. */
  async kill(): Promise<void> {
    const { pid } = this.#child;
    if (pid === undefined || this.#child.exitCode !== null) return;
    this.#child.kill('SIGSTOP');
    for (const child of await listChildren(pid)) {
      try {
        process.kill(child, 'SIGKILL');
      } catch {
        // It ended by itself.
      }
    }
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  /** Waits until a look is true; throws with what the program said. */
  async until(what: string, look: () => Promise<boolean>, timeoutMs = 10_000): Promise<void> {
    const end = Date.now() + timeoutMs;
    while (!(await look().catch(() => false))) {
      if (Date.now() > end || this.#child.exitCode !== null) {
        throw new Error(`${what} did not come: ${this.#output}`);
      }
      await sleep(20);
    }
  }
}
