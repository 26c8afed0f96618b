import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { RouteTable } from '@sluice/domain';
import { findJson, removeLeftovers, writeWhole } from '@sluice/target-drivers';

const STATE_SCHEMA = 'sluice.route-state/v1';
const STATE_FILE = 'routes.json';

/** A table and what was written for it. */
export interface WrittenTable {
  readonly digest: string;
  readonly table: RouteTable;
  readonly text: string;
}

/** What a router remembers of one backend. */
export interface RouteState {
  /** What stood there before the first table; undefined until there was one. */
  readonly base?: string | null;
  /** The mark that was seen of it. */
  readonly baseMark?: string | null;
  /** In force; null: what stood there before us. */
  readonly current: WrittenTable | null;
  /** In force before; null: what stood there before us; undefined: nothing to go back to. */
  readonly previous?: WrittenTable | null;
  /** A change that was begun and neither confirmed nor put back. */
  readonly pending?: WrittenTable | null;
}

/** Keeps the state in a folder of the agent's: after a crash the old is there or the new. */
export class RouteStateFile {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async load(): Promise<RouteState> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await removeLeftovers(this.#folder);
    const found = await findJson<RouteState & { schema: unknown }>(this.#path);
    if (found === undefined) return { current: null };
    if (found.schema !== STATE_SCHEMA) {
      throw new Error(
        `${this.#path} is not a ${STATE_SCHEMA} file; move it away to begin anew: what stands in the proxy now then counts as what stood there before Sluice.`,
      );
    }
    return found;
  }

  async save(state: RouteState): Promise<void> {
    await writeWhole(this.#path, `${JSON.stringify({ schema: STATE_SCHEMA, ...state })}\n`);
  }

  get #path(): string {
    return join(this.#folder, STATE_FILE);
  }
}
