import { constants } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { isName } from '@sluice/domain';
import {
  MAX_SECRET_BYTES,
  quoteName,
  SecretError,
  type SecretErrorCode,
  type SecretSource,
} from './secret-source.ts';

const SECRET_FILE = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const FOR_OTHERS = 0o007;

/**
 * Secrets as files: `<dir>/<tenant>/<name>`, UTF-8 of 1 byte to 64 KiB, not accessible for others (mode 640 at most). One line end at
 * the end is not part of a secret: editors and `echo` add it. They are read anew each time, so that a changed one is taken at once. Links are
 * followed within the tenant's folder only.
 */
export function createFolderSecrets(dir: string): SecretSource {
  return {
    read: async (tenantId, name) => {
      if (!isName(tenantId) || !SECRET_FILE.test(name)) {
        throw refusal('secret-unknown', name, 'that is no name of a secret');
      }
      const file = await openSecret(dir, tenantId, name);
      try {
        return decode(name, await readWhole(name, file));
      } finally {
        await file.close();
      }
    },
  };
}

async function openSecret(dir: string, tenantId: string, name: string): Promise<FileHandle> {
  try {
    const folder = await realpath(join(dir, tenantId));
    const path = await realpath(join(folder, name));
    if (!path.startsWith(folder + sep)) {
      throw refusal('secret-unreadable', name, "its link leads out of its tenant's folder");
    }
    // A pipe must not hold this process.
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw refusal('secret-unknown', name, `there is no file ${join(dir, tenantId, name)}`);
    }
    if (code === 'EACCES' || code === 'EPERM' || code === 'ELOOP') {
      throw refusal('secret-unreadable', name, `this worker cannot read its file (${code})`);
    }
    throw error;
  }
}

async function readWhole(name: string, file: FileHandle): Promise<Buffer> {
  const stats = await file.stat();
  if (!stats.isFile()) throw refusal('secret-unreadable', name, 'it is not a regular file');
  if ((stats.mode & FOR_OTHERS) !== 0) {
    throw refusal('secret-unreadable', name, 'every user may open its file: chmod 600');
  }
  // One byte more than is allowed tells a file that grew meanwhile.
  const content = Buffer.alloc(MAX_SECRET_BYTES + 1);
  let size = 0;
  while (size < content.length) {
    const { bytesRead } = await file.read(content, size, content.length - size, size);
    if (bytesRead === 0) break;
    size += bytesRead;
  }
  if (size > MAX_SECRET_BYTES) throw refusal('secret-unreadable', name, 'it is over 64 KiB');
  return content.subarray(0, size);
}

function decode(name: string, content: Buffer): string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    // Without the cause: it could quote bytes.
    throw refusal('secret-unreadable', name, 'it is not UTF-8');
  }
  const value = text.replace(/\r?\n$/, '');
  if (value === '') throw refusal('secret-unreadable', name, 'it is empty');
  if (value.includes('\0')) throw refusal('secret-unreadable', name, 'it holds a NUL character');
  return value;
}

function refusal(code: SecretErrorCode, name: string, why: string): SecretError {
  const what = code === 'secret-unknown' ? 'is not there' : 'cannot be taken';
  return new SecretError(code, `The secret ${quoteName(name)} ${what}: ${why}.`);
}
