import { pack } from 'tar-stream';

/** One entry of a deterministic tar. Times, owners and the order of entries are not the caller's to choose. */
export type TarEntry =
  | {
      readonly type: 'file';
      /** Relative, with `/`, without `.` or `..`. */
      readonly path: string;
      readonly content: Uint8Array | string;
      /** Permission bits; 0o644 unless given. */
      readonly mode?: number;
    }
  | { readonly type: 'directory'; readonly path: string; readonly mode?: number }
  | { readonly type: 'symlink'; readonly path: string; readonly target: string };

/**
 * Packs entries into a ustar archive whose bytes depend on nothing but the entries: sorted by path
 * (code unit order), modification time 0, owner 0:0, no names.
 */
export async function createDeterministicTar(entries: readonly TarEntry[]): Promise<Buffer> {
  const archive = pack();
  const chunks: Uint8Array[] = [];
  const read = (async () => {
    for await (const chunk of archive as AsyncIterable<Uint8Array>) chunks.push(chunk);
  })();
  const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  const fixed = { mtime: new Date(0), uid: 0, gid: 0, uname: '', gname: '' };
  for (const entry of sorted) {
    const name = entry.path;
    if (entry.type === 'file') {
      const bytes = Buffer.from(entry.content as Uint8Array);
      archive.entry({ ...fixed, name, type: 'file', mode: entry.mode ?? 0o644 }, bytes);
    } else if (entry.type === 'directory') {
      archive.entry({ ...fixed, name, type: 'directory', mode: entry.mode ?? 0o755 });
    } else {
      archive.entry({
        ...fixed,
        name,
        type: 'symlink',
        mode: 0o777,
        linkname: entry.target,
      });
    }
  }
  archive.finalize();
  await read;
  return Buffer.concat(chunks);
}
