import { randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import {
  type ClosureLimits,
  type ClosureMember,
  isNixError,
  type NixComponent,
  parseNixComponent,
  removeTree,
  storeDirOfComponent,
  sumPath,
  unpackClosure,
} from '@sluice/nix';
import { canonicalJson, digestOfBytes } from '@sluice/pure';
import { DriverError } from './driver-error.ts';
import {
  findJson,
  removeLeftovers,
  removeWholeFolder,
  syncFolder,
  writeWhole,
} from './durable-file.ts';
import { hexOf } from './hex-of.ts';
import type { BlobSource } from './target-driver.ts';

const RECORD_SCHEMA = 'sluice.closure-record/v1';
/** Names the state folder whose agent a store's folder belongs to. */
const OWNER_FILE = '.sluice-target';

/** Closures of Nix components by the component's digest, below the driver's folder. */
export interface ClosureStoreOptions {
  readonly stateDir: string;
  /** Where store paths lie; a folder of this agent alone. `<stateDir>/nix-store` when absent. */
  readonly folder?: string | undefined;
  readonly limits?: ClosureLimits | undefined;
}

/**
 * Closures by component digest, with all that is needed to run them again without the control plane:
 * - `closure-records/<hex>`: `component` (its digest tells whether it is whole), `members` (every store path with its NAR hash) and
 *   `record.json` (the digest of `members`); written after the store paths, removed before them
 * - the store's folder: store paths, shared by the closures that have them; nothing else is in it
 */
export class ClosureStore {
  readonly folder: string;
  readonly #stateDir: string;
  readonly #records: string;
  readonly #limits: ClosureLimits | undefined;

  constructor({ stateDir, folder, limits }: ClosureStoreOptions) {
    this.folder = folder ?? join(stateDir, 'nix-store');
    this.#stateDir = stateDir;
    this.#records = join(stateDir, 'closure-records');
    this.#limits = limits;
  }

  /**
   * Makes the folders and removes what a crash left half done.
   * @throws DriverError `nix-store-taken` when the store's folder belongs to somebody else, such as Nix
   */
  async open(): Promise<void> {
    await mkdir(this.#records, { recursive: true, mode: 0o700 });
    await removeLeftovers(this.#records);
    await mkdir(this.folder, { recursive: true, mode: 0o755 });
    const names = await readdir(this.folder);
    const owner = names.includes(OWNER_FILE)
      ? await readFile(join(this.folder, OWNER_FILE), 'utf8')
      : undefined;
    if (owner !== undefined && owner !== this.#stateDir) throw this.#taken(`the agent of ${owner}`);
    if (owner === undefined) {
      if (names.length > 0) throw this.#taken('somebody else');
      await writeWhole(join(this.folder, OWNER_FILE), this.#stateDir, 0o644);
    }
    for (const name of names) {
      if (name.startsWith('.sluice-import-')) await removeTree(join(this.folder, name));
    }
  }

  /** Where a store path really lies. */
  placeOf(storePath: string): string {
    return join(this.folder, basename(storePath));
  }

  /**
   * A kept closure, each of its store paths held against its NAR hash.
   * @param size bytes that the component's document must have
   * @returns undefined when it is not there, has no record, or anything of it was damaged
   */
  async findKept(
    digest: string,
    size: number,
    signal?: AbortSignal,
  ): Promise<NixComponent | undefined> {
    try {
      const { component, members } = await this.#read(digest);
      if (component.length !== size) return undefined;
      for (const { storePath, narHash } of members) {
        signal?.throwIfAborted();
        const { hash } = await sumPath(this.placeOf(storePath), this.#limits?.nar);
        if (hash.digest !== narHash) return undefined;
      }
      return parseNixComponent(component, digest);
    } catch {
      signal?.throwIfAborted();
      // What can not be read is as good as not there: the closure is fetched again.
      return undefined;
    }
  }

  /**
   * Takes a closure in. Store paths that are there and whole stay; damaged ones are put aside, for a service may run in them.
   * @param document the component's own, verified
   * @throws NixError for an archive that is not what the component says, or what the source throws
   */
  async put(
    digest: string,
    document: Uint8Array,
    source: BlobSource,
    onUnpacked: () => Promise<void>,
    signal?: AbortSignal,
  ): Promise<NixComponent> {
    const component = parseNixComponent(document, digest);
    const { closure, storePath, narHash } = component;
    await removeWholeFolder(this.#records, hexOf(digest));
    try {
      const { members } = await unpackClosure(await source.openBlob(closure, signal), {
        expected: { digest: closure.digest, storePath, narHash },
        folder: this.folder,
        storeDir: storeDirOfComponent(component),
        clearPlace: (place) => this.#putAside(place),
        ...(this.#limits === undefined ? {} : { limits: this.#limits }),
      });
      await onUnpacked();
      await this.#record(digest, document, members);
      return component;
    } catch (error) {
      signal?.throwIfAborted();
      // Bytes that were damaged on their way are fetched again; a bad archive stays one.
      if (isNixError(error)) for await (const _ of await source.openBlob(closure, signal));
      throw error;
    }
  }

  /** Removes all store paths but those of these components, with the records of the others. */
  async prune(used: ReadonlySet<string>): Promise<void> {
    const kept = new Set([OWNER_FILE]);
    const names = new Set([...used].map(hexOf));
    for (const name of await readdir(this.#records)) {
      if (!names.has(name)) await removeWholeFolder(this.#records, name);
    }
    for (const digest of used) {
      const { members } = await this.#read(digest);
      for (const { storePath } of members) kept.add(basename(storePath));
    }
    for (const name of await readdir(this.folder)) {
      if (!kept.has(name)) await removeTree(join(this.folder, name));
    }
  }

  /** @throws when there is no record, or it is damaged */
  async #read(digest: string): Promise<{
    readonly component: Uint8Array;
    readonly members: readonly ClosureMember[];
  }> {
    const folder = join(this.#records, hexOf(digest));
    const record = await findJson<{ schema: unknown; members: unknown }>(
      join(folder, 'record.json'),
    );
    const component = await readFile(join(folder, 'component'));
    const members = await readFile(join(folder, 'members'), 'utf8');
    const isWhole =
      record?.schema === RECORD_SCHEMA &&
      digestOfBytes(members) === record.members &&
      digestOfBytes(component) === digest;
    if (!isWhole) throw new Error(`The record of closure ${digest} is damaged.`);
    return { component, members: JSON.parse(members) as readonly ClosureMember[] };
  }

  async #record(
    digest: string,
    document: Uint8Array,
    members: readonly ClosureMember[],
  ): Promise<void> {
    const text = canonicalJson(members);
    const aside = join(this.#records, `.${hexOf(digest)}.${suffix()}.tmp`);
    await mkdir(aside, { mode: 0o700 });
    await writeWhole(join(aside, 'component'), document);
    await writeWhole(join(aside, 'members'), text);
    const record = { schema: RECORD_SCHEMA, members: digestOfBytes(text) };
    await writeWhole(join(aside, 'record.json'), `${JSON.stringify(record)}\n`);
    await rename(aside, join(this.#records, hexOf(digest)));
    await syncFolder(this.#records);
  }

  async #putAside(place: string): Promise<void> {
    // Moving a folder changes its own "..", for which only root needs no permission.
    if ((await lstat(place)).isDirectory()) await chmod(place, 0o755);
    await rename(place, join(this.folder, `.${basename(place)}.${suffix()}.old`));
  }

  #taken(by: string): DriverError {
    return new DriverError(
      'nix-store-taken',
      `The folder ${this.folder} for store paths belongs to ${by}: give this agent an empty folder of its own in SLUICE_AGENT_NIX_STORE.`,
    );
  }
}

function suffix(): string {
  return `${process.pid}-${randomBytes(4).toString('hex')}`;
}
