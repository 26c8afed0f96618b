import { randomBytes } from 'node:crypto';
import { chmod, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { isName } from '@sluice/domain';
import { CodecError } from './codec-error.ts';

const KEY_BYTES = 32;
const KEY_ID = /^[A-Za-z0-9._-]{1,64}$/;
const MAX_FILE_BYTES = 1024 * 1024;

/** One AES-256 key of one tenant. */
export interface CodecKey {
  readonly tenantId: string;
  /** Stands in each payload's metadata; unique in a file and never used again for another key. */
  readonly keyId: string;
  readonly key: Uint8Array;
}

/** The keys of a deployment. */
export interface CodecKeys {
  /** Tenant → the key that encodes its payloads now. */
  readonly current: ReadonlyMap<string, CodecKey>;
  /** Key id → key: current and previous ones; what decodes. */
  readonly all: ReadonlyMap<string, CodecKey>;
}

/**
 * Reads the keys of the payload codec from a file: JSON `{tenants: {<tenant>: {keyId, key}}, previous: [{tenant, keyId,
 * key}]}`, keys in base64, `previous` optional. Only its owner may read the file.
 * @throws CodecError `codec-keys-invalid`, naming the file and what to do; never with a key in it
 */
export async function loadCodecKeys(path: string): Promise<CodecKeys> {
  const { mode, size } = await stat(path).catch((error: unknown) => {
    throw invalid(`the codec key file ${path} cannot be read; set SLUICE_CODEC_KEYS`, error);
  });
  if ((mode & 0o077) !== 0) {
    throw invalid(`the codec key file ${path} can be read by others; run chmod 600 on it`);
  }
  if (size > MAX_FILE_BYTES) {
    throw invalid(`the codec key file ${path} is larger than ${MAX_FILE_BYTES} bytes`);
  }
  try {
    return parseCodecKeys(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    // The text of a JSON error quotes the file, which holds keys.
    const why = error instanceof CodecError ? error.message : 'it is not JSON';
    throw invalid(`the codec key file ${path} is not usable: ${why}`);
  }
}

/**
 * Builds keys from the file's parsed content.
 * @throws CodecError `codec-keys-invalid`
 */
export function parseCodecKeys(content: unknown): CodecKeys {
  const { tenants, previous = [] } = (content ?? {}) as Record<string, unknown>;
  if (typeof tenants !== 'object' || tenants === null || Array.isArray(tenants)) {
    throw invalid('"tenants" must be an object of tenant → {keyId, key}');
  }
  if (!Array.isArray(previous)) {
    throw invalid('"previous" must be a list of {tenant, keyId, key}');
  }
  const current = new Map<string, CodecKey>();
  const all = new Map<string, CodecKey>();
  const add = (tenantId: unknown, entry: unknown): CodecKey => {
    const key = parseKey(tenantId, entry);
    if (all.has(key.keyId)) throw invalid(`key id ${key.keyId} stands twice`);
    all.set(key.keyId, key);
    return key;
  };
  for (const [tenantId, entry] of Object.entries(tenants)) {
    current.set(tenantId, add(tenantId, entry));
  }
  for (const entry of previous as unknown[]) add((entry as { tenant?: unknown })?.tenant, entry);
  return { current, all };
}

/**
 * Makes sure that a key file has a key for each of these tenants; makes the file when it is not there. Existing keys
 * stay. Mode 600, written aside and renamed.
 */
export async function addCodecKeys(path: string, tenantIds: readonly string[]): Promise<void> {
  const file = await readFile(path, 'utf8').catch((error: { code?: string }) => {
    if (error.code === 'ENOENT') return '{"tenants":{}}';
    throw error;
  });
  const content = JSON.parse(file) as { tenants: Record<string, unknown> };
  for (const tenantId of tenantIds) {
    content.tenants[tenantId] ??= {
      keyId: `${tenantId}.${randomBytes(6).toString('hex')}`.slice(-64),
      key: randomBytes(KEY_BYTES).toString('base64'),
    };
  }
  parseCodecKeys(content);
  const aside = `${path}.${process.pid}.tmp`;
  await writeFile(aside, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  await chmod(aside, 0o600);
  await rename(aside, path);
}

function parseKey(tenantId: unknown, entry: unknown): CodecKey {
  const { keyId, key } = (entry ?? {}) as Record<string, unknown>;
  if (typeof tenantId !== 'string' || !isName(tenantId)) {
    throw invalid(`"${String(tenantId)}" is no tenant; name each key's tenant`);
  }
  if (typeof keyId !== 'string' || !KEY_ID.test(keyId)) {
    throw invalid(`the key of tenant ${tenantId} needs a keyId of letters, digits, "." "_" "-"`);
  }
  const bytes = typeof key === 'string' ? Buffer.from(key, 'base64') : Buffer.alloc(0);
  if (bytes.length !== KEY_BYTES || bytes.toString('base64') !== key) {
    throw invalid(`key ${keyId} is not ${KEY_BYTES} bytes in base64 (openssl rand -base64 32)`);
  }
  return { tenantId, keyId, key: new Uint8Array(bytes) };
}

function invalid(message: string, cause?: unknown): CodecError {
  return new CodecError('codec-keys-invalid', message, cause);
}
