import { open, readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { isArchiveFile } from '@sluice/temporal-client';

/** What files of histories are called; of others in a folder, only those without an extension are looked at. */
const EXTENSIONS = new Set(['.history', '.json', '.pb', '.bin']);
/** Files of ours that lie beside histories and are none. */
const NOT_HISTORIES = new Set([
  'bundles.json',
  'workflow-bundle.json',
  'package.json',
  'replay.json',
]);
/** How an archive file begins, and how much of it its header can be. */
const ARCHIVE_BEGIN = '{"head":{';
const MAX_HEADER_BYTES = 64 * 1024;
/** How the evidence store names what it keeps. */
const DIGEST_NAME = /^[0-9a-f]{64}$/;
const MAX_FILES = 100_000;
const MAX_DEPTH = 8;

/** Paths that hold no history. */
export class InputError extends Error {
  readonly code = 'input-unusable';

  constructor(message: string) {
    super(message);
    this.name = 'InputError';
  }
}

/**
 * Lists the files of histories: files as they are named, folders with what is in and below them, sorted. Files without an
 * extension count when they begin as an archive file does: a folder of restored evidence is taken as it is.
 * @throws InputError for a path that is not there and when there is no file at all
 */
export async function listInputFiles(paths: readonly string[]): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const path of paths) {
    const kind = await kindOf(path);
    if (kind === 'absent') throw new InputError(`There is no ${path}.`);
    if (kind === 'file') found.add(path);
    else await listFolder(path, found, 0);
  }
  if (found.size > 0) return [...found];
  throw new InputError(
    `There is no history in ${paths.join(', ')}: folders are searched for files that end in ${[...EXTENSIONS].join(', ')}.`,
  );
}

async function kindOf(path: string): Promise<'file' | 'folder' | 'absent'> {
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'file';
  } catch {
    return 'absent';
  }
}

async function listFolder(folder: string, found: Set<string>, depth: number): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true });
  // Kept workflow code, as an export puts it beside its histories.
  if (depth > 0 && entries.some(({ name }) => name === 'bundles.json')) return;
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory() && depth < MAX_DEPTH) await listFolder(path, found, depth + 1);
    else if (entry.isFile() && (await isHistory(path, entry.name))) found.add(path);
    if (found.size > MAX_FILES) {
      throw new InputError(`${folder} has more than ${MAX_FILES} files; name a smaller folder.`);
    }
  }
}

async function isHistory(path: string, name: string): Promise<boolean> {
  const extension = extname(name);
  if (extension !== '') return EXTENSIONS.has(extension) && !NOT_HISTORIES.has(name);
  try {
    return await beginsAsArchive(path);
  } catch {
    // One that may be a history and cannot be read is said to be unreadable, not passed over.
    return DIGEST_NAME.test(name);
  }
}

async function beginsAsArchive(path: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const begin = Buffer.alloc(ARCHIVE_BEGIN.length);
    const { bytesRead } = await file.read(begin, 0, begin.length, 0);
    if (begin.toString('latin1', 0, bytesRead) !== ARCHIVE_BEGIN) return false;
    const header = Buffer.alloc(MAX_HEADER_BYTES);
    const read = await file.read(header, 0, header.length, 0);
    return isArchiveFile(header.subarray(0, read.bytesRead));
  } finally {
    await file.close();
  }
}
