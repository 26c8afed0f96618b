import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ReportStage } from '@sluice/domain';
import { syncFolder } from '@sluice/target-drivers';

/** Stages of a command: those that are reported, and the lines written before an effect. */
export type JournalStage = ReportStage | 'fetching' | 'activating' | 'reverting';

/** One line of the journal. The first five fields are the contract, the rest is what recovery needs. */
export interface JournalEntry {
  readonly sequence: number;
  /** Null where a refused command could not be read. */
  readonly idempotencyKey: string | null;
  readonly stage: JournalStage;
  /** Null where a refused command could not be read. */
  readonly releaseDigest: string | null;
  /** RFC 3339. */
  readonly at: string;
  readonly commandDigest: string;
  /** Of the environment's lease; 0 where a refused command could not be read. */
  readonly fencingToken: number;
  readonly failure: { readonly code: string; readonly message: string } | null;
  /** Release that is active once this stage is reached. */
  readonly activeRelease: string | null;
}

/** The journal can not be trusted: the agent must not act. */
export class JournalError extends Error {
  readonly code = 'journal-damaged';

  constructor(message: string) {
    super(message);
    this.name = 'JournalError';
  }
}

/**
 * The agent's own append-only record of effects: JSON Lines, synced to disk before {@link append} returns.
 * What the agent remembers is derived from it alone.
 */
export class Journal {
  readonly #file: FileHandle;
  readonly #entries: JournalEntry[];
  /** Bytes of whole lines. */
  #size: number;
  /** Lines are written one after the other: commands come in while another one is carried out. */
  #written: Promise<unknown> = Promise.resolve();

  private constructor(file: FileHandle, entries: JournalEntry[], size: number) {
    this.#file = file;
    this.#entries = entries;
    this.#size = size;
  }

  /**
   * Opens a journal, or begins one. A torn last line (the agent was killed while it wrote) is cut off.
   * @throws JournalError for damage anywhere else
   */
  static async open(path: string): Promise<Journal> {
    const file = await open(path, 'a+', 0o600);
    try {
      const bytes = await file.readFile();
      const whole = bytes.lastIndexOf(0x0a) + 1;
      if (whole < bytes.length) {
        await file.truncate(whole);
        await file.sync();
      }
      await syncFolder(dirname(path));
      const lines = bytes.subarray(0, whole).toString('utf8').split('\n').slice(0, -1);
      return new Journal(
        file,
        lines.map((line, at) => readLine(line, at + 1, path)),
        whole,
      );
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  get entries(): readonly JournalEntry[] {
    return this.#entries;
  }

  /** Highest sequence and fencing token of the commands that were accepted. */
  get memory(): { readonly lastSequence: number; readonly highestFencingToken: number } {
    let lastSequence = 0;
    let highestFencingToken = 0;
    for (const entry of this.#entries) {
      if (entry.stage !== 'accepted') continue;
      lastSequence = Math.max(lastSequence, entry.sequence);
      highestFencingToken = Math.max(highestFencingToken, entry.fencingToken);
    }
    return { lastSequence, highestFencingToken };
  }

  /** The line of a command's stage; undefined when it did not get there. */
  find(commandDigest: string, stage: JournalStage): JournalEntry | undefined {
    return this.#entries.find(
      (entry) => entry.commandDigest === commandDigest && entry.stage === stage,
    );
  }

  /** The `accepted` lines of commands that have no final line, oldest first. */
  listUnfinished(): readonly JournalEntry[] {
    const ended = new Set<string>();
    for (const { stage, commandDigest } of this.#entries) {
      if (FINAL.has(stage)) ended.add(commandDigest);
    }
    return this.#entries.filter(
      ({ stage, commandDigest }) => stage === 'accepted' && !ended.has(commandDigest),
    );
  }

  /** The last command that was accepted with a higher fencing token; undefined when there is none. */
  findNewer(fencingToken: number): JournalEntry | undefined {
    return this.#entries.findLast(
      (entry) => entry.stage === 'accepted' && entry.fencingToken > fencingToken,
    );
  }

  /** The last command that was accepted after this one; undefined when there is none. */
  findLater(sequence: number): JournalEntry | undefined {
    return this.#entries.findLast(
      (entry) => entry.stage === 'accepted' && entry.sequence > sequence,
    );
  }

  /** True when a command with this idempotency key was accepted before. */
  hasAccepted(idempotencyKey: string): boolean {
    return this.#entries.some(
      (entry) => entry.stage === 'accepted' && entry.idempotencyKey === idempotencyKey,
    );
  }

  /** Writes a line unless the command has one of this stage; it is on disk when this returns. */
  append(entry: JournalEntry): Promise<JournalEntry> {
    const written = this.#written.then(() => this.#write(entry));
    this.#written = written.catch(() => undefined);
    return written;
  }

  async close(): Promise<void> {
    await this.#written;
    await this.#file.close();
  }

  async #write(entry: JournalEntry): Promise<JournalEntry> {
    const written = this.find(entry.commandDigest, entry.stage);
    if (written !== undefined) return written;
    // What a failed write (a full disk) left of its line must not stand before the next one.
    if ((await this.#file.stat()).size !== this.#size) await this.#file.truncate(this.#size);
    const line = Buffer.from(`${JSON.stringify(entry)}\n`);
    await this.#file.appendFile(line);
    await this.#file.datasync();
    this.#size += line.byteLength;
    this.#entries.push(entry);
    return entry;
  }
}

const FINAL: ReadonlySet<JournalStage> = new Set(['confirmed', 'reverted', 'refused']);

function readLine(line: string, number: number, path: string): JournalEntry {
  try {
    const entry = JSON.parse(line) as JournalEntry;
    if (Number.isSafeInteger(entry.sequence) && typeof entry.stage === 'string') return entry;
  } catch {
    // Told below, as a line with wrong fields is.
  }
  throw new JournalError(
    `Line ${number} of the journal ${path} is damaged: what this agent did can not be told. Restore the file, or enrol this target anew with an empty state folder.`,
  );
}
