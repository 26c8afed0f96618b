import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { endProcessGroup } from '@sluice/temporal-server';
import { findStartTime } from './process-identity.ts';
import { StackError } from './stack-error.ts';

type RecordedProcess = { readonly name: string; readonly pid: number; readonly startTime: string };

type RunFile = { readonly owner: RecordedProcess; readonly processes: readonly RecordedProcess[] };

const LEFTOVER_GRACE_MS = 10_000;

/** Records that this very process holds. */
const heldHere = new Set<string>();

/**
 * Which processes a stack started, on disk, so that a later run can end what a crashed one left
 * behind: by process id *and* start time, never by name.
 */
export class RunRecord {
  readonly #file: string;
  readonly #processes = new Map<string, RecordedProcess>();

  constructor(file: string) {
    this.#file = file;
  }

  /**
   * Ends what an earlier run left behind, newest first, and takes the record over.
   *
   * @returns the names of what was ended.
   * @throws StackError `stack-in-use` when the process that owns the record still runs.
   */
  async takeOver(): Promise<string[]> {
    const former = this.#read();
    const owner = former?.owner;
    const isOther = owner?.pid !== process.pid || heldHere.has(this.#file);
    if (owner !== undefined && isOther && isSame(owner)) {
      throw new StackError(
        'stack-in-use',
        `A Sluice (process ${owner.pid}) already runs on this data folder (${dirname(dirname(this.#file))}); stop it first, or use another folder.`,
      );
    }
    heldHere.add(this.#file);
    const leftovers = (former?.processes ?? []).filter(isSame).reverse();
    for (const { pid } of leftovers) {
      await endProcessGroup(pid, LEFTOVER_GRACE_MS);
    }
    this.#write();
    return leftovers.map(({ name }) => name);
  }

  /** Notes a process that was just started. */
  add(name: string, pid: number): void {
    const startTime = findStartTime(pid);
    if (startTime !== undefined) {
      this.#processes.set(name, { name, pid, startTime });
      this.#write();
    }
  }

  /** Forgets a process that has ended. */
  remove(name: string): void {
    this.#processes.delete(name);
    this.#write();
  }

  /** Tells that everything has ended and nobody owns the folder. */
  close(): void {
    heldHere.delete(this.#file);
    writeWhole(this.#file, '{}\n');
  }

  #read(): Partial<RunFile> | undefined {
    try {
      return JSON.parse(readFileSync(this.#file, 'utf8')) as Partial<RunFile>;
    } catch {
      return undefined;
    }
  }

  #write(): void {
    const owner = { name: 'owner', pid: process.pid, startTime: findStartTime(process.pid) ?? '' };
    const content: RunFile = { owner, processes: [...this.#processes.values()] };
    writeWhole(this.#file, `${JSON.stringify(content, null, 2)}\n`);
  }
}

function isSame({ pid, startTime }: RecordedProcess): boolean {
  return findStartTime(pid) === startTime;
}

function writeWhole(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}
