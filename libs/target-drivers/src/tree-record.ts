import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';

/** One entry of an unpacked image: `[path, 'd', mode]`, `[path, 'f', mode, size, SHA-256]`, `[path, 'l', target]`. */
export type TreeEntry =
  | readonly [path: string, kind: 'd', mode: number]
  | readonly [path: string, kind: 'f', mode: number, size: number, sha256: string]
  | readonly [path: string, kind: 'l', target: string];

/** Files that are looked at together: small ones cost more waiting than reading. */
const AT_ONCE = 16;

/** Every entry of a folder, by path, with what tells whether it is still the same. */
export async function recordTree(root: string, signal?: AbortSignal): Promise<string> {
  const paths = await listPaths(root, '');
  const lines: string[] = [];
  for (let at = 0; at < paths.length; at += AT_ONCE) {
    signal?.throwIfAborted();
    const entries = await Promise.all(
      paths.slice(at, at + AT_ONCE).map((path) => describe(root, path)),
    );
    for (const entry of entries) lines.push(`${JSON.stringify(entry)}\n`);
  }
  return lines.join('');
}

/**
 * True when everything that was recorded is there and unchanged. What a service put beside it is not looked
 * at: it runs in this folder and may write there.
 */
export async function isTreeWhole(
  root: string,
  record: string,
  signal?: AbortSignal,
): Promise<boolean> {
  const lines = record.split('\n').slice(0, -1);
  for (let at = 0; at < lines.length; at += AT_ONCE) {
    signal?.throwIfAborted();
    const same = await Promise.all(
      lines.slice(at, at + AT_ONCE).map(async (line) => {
        const [path] = JSON.parse(line) as TreeEntry;
        const found = await describe(root, path).catch(() => undefined);
        return JSON.stringify(found) === line;
      }),
    );
    if (same.includes(false)) return false;
  }
  return true;
}

async function listPaths(root: string, folder: string): Promise<string[]> {
  const paths: string[] = [];
  const entries = await readdir(join(root, folder), { withFileTypes: true });
  for (const entry of entries) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    paths.push(path);
    if (!entry.isDirectory()) continue;
    for (const below of await listPaths(root, path)) paths.push(below);
  }
  return paths;
}

async function describe(root: string, path: string): Promise<TreeEntry> {
  const full = join(root, path);
  const found = await lstat(full);
  if (found.isSymbolicLink()) return [path, 'l', await readlink(full)];
  const mode = found.mode & 0o7777;
  if (found.isDirectory()) return [path, 'd', mode];
  if (!found.isFile()) throw new Error(`${full} is no file, folder or link.`);
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(full)) hash.update(chunk as Buffer);
  return [path, 'f', mode, found.size, hash.digest('hex')];
}
