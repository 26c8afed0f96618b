/** One regular file of an archive; the path is relative, with `/`, at most 100 bytes. */
export type TarFile = { readonly path: string; readonly content: Buffer; readonly mode?: number };

const BLOCK = 512;

/**
 * Packs files into a USTAR archive whose bytes depend on paths, contents and modes alone: sorted,
 * owner 0, time 0, folders before what is in them.
 */
export function packTar(files: readonly TarFile[]): Buffer {
  const folders = new Set(files.flatMap(({ path }) => parentsOf(path)));
  const entries = [
    ...[...folders].map((path) => ({ path: `${path}/`, content: Buffer.alloc(0), mode: 0o755 })),
    ...files.map(({ path, content, mode }) => ({ path, content, mode: mode ?? 0o644 })),
  ].sort((left, right) => (left.path < right.path ? -1 : 1));
  const blocks = entries.flatMap(({ path, content, mode }) => [
    packHeader(path, content.length, mode),
    content,
    Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK),
  ]);
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}

function packHeader(path: string, size: number, mode: number): Buffer {
  if (Buffer.byteLength(path) > 100) {
    throw new RangeError(`The path "${path}" is longer than the 100 bytes of a USTAR name.`);
  }
  const header = Buffer.alloc(BLOCK);
  header.write(path, 0);
  header.write(octal(mode, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(size, 11), 124);
  header.write(octal(0, 11), 136);
  header.write(' '.repeat(8), 148);
  header.write(path.endsWith('/') ? '5' : '0', 156);
  header.write('ustar\u000000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6)}\u0000 `, 148);
  return header;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}

function parentsOf(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}
