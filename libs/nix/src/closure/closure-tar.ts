/** Bytes of a tar block; headers are one, contents are filled up to a multiple of it. */
export const TAR_BLOCK = 512;

/** Two empty blocks end a tar. */
export const TAR_END = Buffer.alloc(2 * TAR_BLOCK);

/** More does not fit into eleven octal digits. */
export const TAR_MAX_SIZE = 8 ** 11 - 1;

/** First member of an archive. */
export const CACHE_INFO_NAME = 'nix-cache-info';

/** What the first member says. */
export function formatCacheInfo(storeDir: string): string {
  return `StoreDir: ${storeDir}\n`;
}

/** The one header that an archive's member of this name and size has: a read-only file of 1970-01-01, owned by nobody. */
export function tarHeader(name: string, size: number): Buffer {
  const header = Buffer.alloc(TAR_BLOCK);
  const put = (text: string, at: number): void => {
    header.write(text, at, 'latin1');
  };
  put(name, 0);
  put('0000444\0', 100);
  put('0000000\0', 108);
  put('0000000\0', 116);
  put(`${size.toString(8).padStart(11, '0')}\0`, 124);
  put('00000000000\0', 136);
  put('        ', 148);
  put('0', 156);
  put('ustar\0' + '00', 257);
  put('0000000\0', 329);
  put('0000000\0', 337);
  let sum = 0;
  for (const byte of header) sum += byte;
  put(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

/** Zeros that fill up a member of this size. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK);
}

/** Name and size that a header claims; undefined unless it is just the one that {@link tarHeader} writes. */
export function findTarMember(header: Uint8Array): { name: string; size: number } | undefined {
  const bytes = Buffer.from(header);
  const name = bytes.subarray(0, 100).toString('latin1').replace(/\0+$/, '');
  const digits = bytes.subarray(124, 135).toString('latin1');
  if (!/^[0-7]{11}$/.test(digits)) return undefined;
  const size = Number.parseInt(digits, 8);
  return tarHeader(name, size).equals(bytes) ? { name, size } : undefined;
}

/** Bytes that a member of this size takes in an archive. */
export function tarSpace(size: number): number {
  return TAR_BLOCK + size + tarPadding(size).length;
}
