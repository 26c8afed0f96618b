import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentCommand, CommandPayload } from '@sluice/domain';
import { findJson, writeWhole } from '@sluice/target-drivers';

/** A command that was verified and admitted, with all that is needed to go on with it after a crash. */
export interface AdmittedCommand {
  readonly command: AgentCommand;
  readonly commandDigest: string;
  readonly payload: CommandPayload;
}

/** Admitted commands by digest; written before the journal says `accepted`. */
export class CommandStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async open(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
  }

  /** Stores a command and forgets all others: only one is ever unfinished. */
  async put(admitted: AdmittedCommand): Promise<void> {
    const name = `${admitted.commandDigest.slice(7)}.json`;
    await writeWhole(join(this.#folder, name), JSON.stringify(admitted));
    for (const other of await readdir(this.#folder)) {
      if (other !== name) await rm(join(this.#folder, other), { force: true });
    }
  }

  /** Undefined when it is not stored. */
  find(commandDigest: string): Promise<AdmittedCommand | undefined> {
    return findJson(join(this.#folder, `${commandDigest.slice(7)}.json`));
  }
}
