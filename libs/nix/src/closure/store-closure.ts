import { type FileHandle, mkdir, mkdtemp, open, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Writable } from 'node:stream';
import { NixLog } from '../log/nix-log.ts';
import type { NarEvent } from '../nar/read-nar.ts';
import type { Nix } from '../nix.ts';
import { NixError, printable } from '../nix-error.ts';
import { listPathInfos } from '../path-info.ts';
import { storeDirOf, storeFolderOf } from '../run/nix-environment.ts';
import { runNix } from '../run/run-nix.ts';
import { parseStorePath } from '../store-path.ts';
import type { ClosureLimits } from './closure-limits.ts';
import { CACHE_INFO_NAME, formatCacheInfo } from './closure-tar.ts';
import { type ClosureArchive, writeClosure } from './export-closure.ts';
import { type ClosureMember, formatNarinfo, narNameOf } from './narinfo.ts';
import { type ClosureSink, type ExpectedClosure, readClosure } from './read-closure.ts';
import { assertSameStore } from './unpack-closure.ts';

/** How a closure gets out of a store or into it. */
export interface StoreClosureOptions {
  readonly limits?: ClosureLimits;
  readonly signal?: AbortSignal;
  /** Of Nix' own part; 30 minutes when absent. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 1_800_000;
const MAX_LOG_BYTES = 1024 * 1024;

/**
 * Writes store paths and everything that they refer to as one archive. Every NAR is held against the hash
 * that Nix has recorded; the same paths give the same bytes on every machine.
 * @param target is ended, or destroyed after an error
 * @throws NixError as {@link listPathInfos} and {@link writeClosure}
 */
export async function exportClosure(
  nix: Nix,
  storePaths: readonly string[],
  target: Writable,
  options: StoreClosureOptions = {},
): Promise<ClosureArchive> {
  const cancel = options.signal === undefined ? {} : { signal: options.signal };
  const members = await listPathInfos(nix, storePaths, { closure: true, ...cancel });
  const source = {
    storeDir: storeDirOf(nix.store),
    folder: storeFolderOf(nix.store),
    members: members.map(({ deriver: _, ...member }) => member),
  };
  return writeClosure(source, target, options.limits);
}

/**
 * Takes an archive into a Nix store. It is verified whole before Nix sees any of it; Nix then adds the paths
 * without asking for signatures, for the expected digest has vouched for them.
 * @throws NixError as {@link readClosure}; `closure-store-differs`, `nix-failed`
 */
export async function importClosure(
  nix: Nix,
  source: AsyncIterable<Uint8Array>,
  expected: ExpectedClosure,
  options: StoreClosureOptions = {},
): Promise<ClosureArchive> {
  await mkdir(nix.scratch, { recursive: true, mode: 0o700 });
  const cache = await mkdtemp(join(await realpath(nix.scratch), 'closure-'));
  try {
    const sink = new CacheSink(cache, storeDirOf(nix.store));
    const archive = await readClosure(source, expected, sink, options.limits).finally(() =>
      sink.close(),
    );
    await copyFromCache(nix, cache, archive, options);
    return archive;
  } finally {
    await rm(cache, { recursive: true, force: true });
  }
}

/** Keeps an archive's members as a binary cache in a folder. */
class CacheSink implements ClosureSink {
  readonly #folder: string;
  readonly #wanted: string;
  #storeDir = '';
  #nar: FileHandle | undefined;

  constructor(folder: string, wanted: string) {
    this.#folder = folder;
    this.#wanted = wanted;
  }

  async begin(storeDir: string, members: readonly ClosureMember[]): Promise<void> {
    assertSameStore(storeDir, this.#wanted);
    this.#storeDir = storeDir;
    await mkdir(join(this.#folder, 'nar'));
    await writeFile(join(this.#folder, CACHE_INFO_NAME), formatCacheInfo(storeDir));
    for (const member of members) {
      const { hash } = parseStorePath(member.storePath, storeDir);
      await writeFile(join(this.#folder, `${hash}.narinfo`), formatNarinfo(member, storeDir));
    }
  }

  async member(member: ClosureMember, events: AsyncIterable<NarEvent>): Promise<void> {
    const { hash } = parseStorePath(member.storePath, this.#storeDir);
    this.#nar = await open(join(this.#folder, narNameOf(hash)), 'wx', 0o600);
    const iterator = events[Symbol.asyncIterator]();
    while ((await iterator.next()).done !== true);
    await this.close();
  }

  async narBytes(_member: ClosureMember, chunk: Uint8Array): Promise<void> {
    await this.#nar?.writeFile(chunk);
  }

  async close(): Promise<void> {
    await this.#nar?.close();
    this.#nar = undefined;
  }
}

async function copyFromCache(
  nix: Nix,
  cache: string,
  archive: ClosureArchive,
  options: StoreClosureOptions,
): Promise<void> {
  const log = new NixLog(MAX_LOG_BYTES, undefined);
  const { status } = await runNix(nix, {
    program: 'nix',
    args: [
      'copy',
      '--no-check-sigs',
      '--log-format',
      'internal-json',
      '--from',
      `file://${encodeURI(cache)}`,
      ...(nix.store.kind === 'root' ? ['--to', `local?root=${nix.store.root}`] : []),
      ...archive.roots,
    ],
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
    onLine: (line) => log.take(line),
  });
  if (status === 0) return;
  const cause = log.errors[0]?.text ?? log.lastLines(undefined).at(-1) ?? `status ${status}`;
  throw new NixError(
    'nix-failed',
    `Nix did not take the closure ${archive.digest} into its store: ${printable(cause)}. May this user write to the store?`,
  );
}
