import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { isName } from '@sluice/domain';
import {
  MAX_SECRET_BYTES,
  quoteName,
  SecretError,
  type SecretErrorCode,
  type SecretReader,
  type SecretSource,
  SHARED_SECRETS,
} from './secret-source.ts';

const SECRET_FILE = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const FOR_OTHERS = 0o007;

/**
 * Secrets as files: `<dir>/<tenant>/<environment>/<name>`, else `<dir>/<tenant>/_shared/<name>`; UTF-8 of 1 byte to 64 KiB, not accessible for
 * others (mode 640 at most). One line end at the end is not part of a secret: editors and `echo` add it. They are read anew each time, so that
 * a changed one is taken at once. Links are followed within the environment's folder only. An environment's file that cannot be taken is refused: what all
 * share never stands in for it.
 */
export function createFolderSecrets(dir: string): SecretSource {
  return {
    read: async (reader, name) => {
      const { tenantId, environment } = reader;
      if (!isName(tenantId) || !isName(environment) || !SECRET_FILE.test(name)) {
        throw refusal('secret-unknown', name, 'that is no name of a secret');
      }
      const file =
        (await findSecret(dir, tenantId, environment, name)) ??
        (await findSecret(dir, tenantId, SHARED_SECRETS, name));
      if (file === undefined) throw await unknownSecret(dir, reader, name);
      try {
        return decode(name, await readWhole(name, file));
      } finally {
        await file.close();
      }
    },
  };
}

/**
 * Secrets that no step finds: files that lie directly in a tenant's folder.
 * @returns tenant → their names, sorted; tenants without such files are left out
 */
export async function listMisplacedSecrets(
  dir: string,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const misplaced = new Map<string, readonly string[]>();
  for (const tenantId of (await readdir(dir)).filter(isName).sort()) {
    const names: string[] = [];
    for (const name of await readdir(join(dir, tenantId)).catch(() => [])) {
      if (await isMisplaced(dir, tenantId, name)) names.push(name);
    }
    if (names.length > 0) misplaced.set(tenantId, names.sort());
  }
  return misplaced;
}

/** Where a misplaced secret belongs, for people. */
export function describePlaces(tenantFolder: string): string {
  return `${tenantFolder}/<environment> for one environment, or ${tenantFolder}/${SHARED_SECRETS} for all of them`;
}

async function isMisplaced(dir: string, tenantId: string, name: string): Promise<boolean> {
  if (!SECRET_FILE.test(name)) return false;
  return (await stat(join(dir, tenantId, name)).catch(() => undefined))?.isFile() === true;
}

async function unknownSecret(
  dir: string,
  { tenantId, environment }: SecretReader,
  name: string,
): Promise<SecretError> {
  const tenantFolder = join(dir, tenantId);
  const why = (await isMisplaced(dir, tenantId, name))
    ? `its file lies directly in ${tenantFolder}, which belongs to no environment: move it to ${describePlaces(tenantFolder)}`
    : `there is no file ${join(tenantFolder, environment, name)}, and none of that name in ${join(tenantFolder, SHARED_SECRETS)}`;
  return refusal('secret-unknown', name, why);
}

/** So often a file is looked for whose name is there, and which is not. */
const LOOKS = 3;

/** Opens the file of a secret in one folder of a tenant; undefined when there is nothing of that name. */
async function findSecret(
  dir: string,
  tenantId: string,
  folderName: string,
  name: string,
): Promise<FileHandle | undefined> {
  const path = join(dir, tenantId, folderName, name);
  for (let look = 1; look <= LOOKS; look += 1) {
    const file = await openSecret(dir, tenantId, folderName, name);
    if (file !== undefined || !(await isNamed(path))) return file;
    // Mounted secrets are exchanged by their link: what it led to may be gone in the moment between.
  }
  throw refusal('secret-unreadable', name, `${path} is a link to nothing: mend or remove it`);
}

/** True unless it is certain that there is nothing of that name, be it a link to nothing. */
async function isNamed(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );
}

/** Undefined when there is no file. */
async function openSecret(
  dir: string,
  tenantId: string,
  folderName: string,
  name: string,
): Promise<FileHandle | undefined> {
  try {
    const folder = join(await realpath(join(dir, tenantId)), folderName);
    const found = await lstat(folder);
    // Through a link one environment's folder would be another one's.
    if (!found.isDirectory()) {
      const what = found.isSymbolicLink() ? 'a link' : 'no folder';
      throw refusal(
        'secret-unreadable',
        name,
        `${join(dir, tenantId, folderName)} is ${what}: make it a folder of its own, with a file for each secret`,
      );
    }
    const path = await realpath(join(folder, name));
    if (!path.startsWith(folder + sep)) {
      throw refusal('secret-unreadable', name, 'its link leads out of its own folder');
    }
    // A pipe must not hold this process.
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (code === 'ENOENT') return undefined;
    if (['EACCES', 'EPERM', 'ELOOP', 'ENOTDIR', 'ENXIO'].includes(code)) {
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
