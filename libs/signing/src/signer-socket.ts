import { lstatSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { digestOfBytes } from '@sluice/pure';
import { SigningError } from './signing-error.ts';

/** Longest socket path that every system takes (Linux 107, macOS 103). Bytes. */
const MAX_SOCKET_PATH = 100;

/**
 * The path at which server and client meet for a configured signer socket: the path itself, or, where it is
 * too long for a Unix socket, one under the system's temporary folder that is derived from it. That folder is
 * made with mode 700; one that belongs to somebody else or is open to others is refused.
 * @throws SigningError `socket-path-unsafe`
 */
export function signerSocketPath(path: string): string {
  const absolute = resolve(path);
  if (Buffer.byteLength(absolute) <= MAX_SOCKET_PATH) return absolute;
  const uid = process.getuid?.() ?? 0;
  const name = digestOfBytes(`${uid}\n${absolute}`).slice('sha256:'.length, 'sha256:'.length + 16);
  const folder = join(tmpdir(), `sluice-${name}`);
  const short = join(folder, 's.sock');
  if (Buffer.byteLength(short) > MAX_SOCKET_PATH) {
    throw new SigningError(
      'socket-path-unsafe',
      `Neither ${path} nor ${short} is short enough for a Unix socket (${MAX_SOCKET_PATH} bytes); ` +
        'set SLUICE_SIGNER_SOCKET or TMPDIR to a shorter path.',
    );
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stat = lstatSync(folder);
  if (!stat.isDirectory() || stat.uid !== uid || (stat.mode & 0o077) !== 0) {
    throw new SigningError(
      'socket-path-unsafe',
      `${folder} is not a folder of this user's own with mode 700; remove it, or set ` +
        `SLUICE_SIGNER_SOCKET to a path of at most ${MAX_SOCKET_PATH} bytes.`,
    );
  }
  return short;
}
