import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentCommand, CommandPayload, RoutePayload } from '@sluice/domain';
import { findJson, removeWhole, writeWhole } from '@sluice/target-drivers';

/** A command that was verified and admitted, with all that is needed to go on with it after a crash. */
export interface AdmittedCommand {
  readonly command: AgentCommand;
  readonly commandDigest: string;
  /** A {@link RoutePayload} exactly of a command of kind `route`. */
  readonly payload: CommandPayload | RoutePayload;
}

/** Admitted commands by digest; written before the journal says `accepted`, removed after it says how they ended. */
export class CommandStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Removes what a crash left: commands that the journal knows as ended, or does not know. */
  async open(unfinished: readonly { readonly commandDigest: string }[]): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const names = new Set(unfinished.map(({ commandDigest }) => nameOf(commandDigest)));
    for (const name of await readdir(this.#folder)) {
      if (!names.has(name)) await rm(join(this.#folder, name), { force: true });
    }
  }

  /** Stores a command beside those that are not finished yet. */
  async put(admitted: AdmittedCommand): Promise<void> {
    await writeWhole(join(this.#folder, nameOf(admitted.commandDigest)), JSON.stringify(admitted));
  }

  /** Undefined when it is not stored. */
  find(commandDigest: string): Promise<AdmittedCommand | undefined> {
    return findJson(join(this.#folder, nameOf(commandDigest)));
  }

  /** Forgets a command that ended; one that is not stored is fine. */
  async remove(commandDigest: string): Promise<void> {
    await removeWhole(join(this.#folder, nameOf(commandDigest)));
  }
}

function nameOf(commandDigest: string): string {
  return `${commandDigest.slice('sha256:'.length)}.json`;
}
