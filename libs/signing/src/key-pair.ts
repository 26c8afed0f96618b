import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { digestOfBytes } from '@sluice/pure';
import { SigningError } from './signing-error.ts';

const MAX_KEY_FILE_BYTES = 4096;
const MAX_PARSED = 256;
const parsed = new Map<string, KeyObject>();
const ids = new WeakMap<KeyObject, string>();

/** An Ed25519 key that can sign. The private half never leaves this process: JSON of it shows nothing. */
export interface KeyPair {
  /** `sha256:<hex of the public key's SPKI DER>`. */
  readonly keyId: string;
  /** SPKI PEM. */
  readonly publicKey: string;
  /** The 64 bytes of the Ed25519 signature of `data`. */
  sign(data: Uint8Array): Uint8Array;
}

/**
 * Reads an Ed25519 public key from SPKI PEM.
 * @throws SigningError `public-key-invalid` for anything else, private keys and other algorithms included
 */
export function parsePublicKey(pem: string): KeyObject {
  const problem = 'Give an Ed25519 public key as SPKI PEM (-----BEGIN PUBLIC KEY-----).';
  if (pem.length > MAX_KEY_FILE_BYTES || !/^-----BEGIN PUBLIC KEY-----\r?\n/.test(pem)) {
    throw new SigningError('public-key-invalid', `This is no public key. ${problem}`);
  }
  const known = parsed.get(pem);
  if (known !== undefined) return known;
  let key: KeyObject;
  try {
    key = createPublicKey({ key: pem, format: 'pem', type: 'spki' });
  } catch (error) {
    throw new SigningError('public-key-invalid', `The key cannot be read. ${problem}`, error);
  }
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new SigningError(
      'public-key-invalid',
      `The key is of type ${key.asymmetricKeyType}. ${problem}`,
    );
  }
  // Parsing costs more than verifying; keys are few and never change.
  if (parsed.size >= MAX_PARSED) parsed.clear();
  parsed.set(pem, key);
  return key;
}

/**
 * Id of a public key: `sha256:<hex of its SPKI DER bytes>`, whatever the PEM's line breaks.
 * @throws SigningError `public-key-invalid`
 */
export function keyIdOf(publicKeyPem: string): string {
  return idOfKey(parsePublicKey(publicKeyPem));
}

/** A new Ed25519 key pair that lives in memory only. */
export function generateKeyPair(): KeyPair {
  return toKeyPair(generateKeyPairSync('ed25519').privateKey);
}

/**
 * Makes a new key and writes it as PKCS#8 PEM with mode 600, synced to disk. Never overwrites; after a crash the
 * whole key is there or none.
 * @throws SigningError `key-file-exists`
 */
export function createKeyFile(path: string): KeyPair {
  const { privateKey } = generateKeyPairSync('ed25519');
  const aside = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
    writeSynced(aside, flags, privateKey.export({ format: 'pem', type: 'pkcs8' }) as string);
    // A link, for a rename would replace the key that another process made meanwhile.
    linkSync(aside, path);
    writeSynced(dirname(path), constants.O_RDONLY, '');
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    throw new SigningError(
      'key-file-exists',
      `Key file ${path} exists already; load it, or name another path.`,
      error,
    );
  } finally {
    rmSync(aside, { force: true });
  }
  return toKeyPair(privateKey);
}

function writeSynced(path: string, flags: number, text: string): void {
  const file = openSync(path, flags, 0o600);
  try {
    if (text !== '') writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/**
 * Loads a PKCS#8 PEM key file.
 * @throws SigningError `key-file-missing`, `key-file-too-open` (readable for group or others),
 *   `key-file-invalid` (no regular file, no Ed25519 key)
 */
export function loadKeyPair(path: string): KeyPair {
  const pem = readPrivateFile(path);
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: pem, format: 'pem' });
  } catch (error) {
    throw new SigningError('key-file-invalid', `${path} holds no PKCS#8 PEM private key.`, error);
  }
  if (key.asymmetricKeyType !== 'ed25519') {
    const found = key.asymmetricKeyType;
    throw new SigningError('key-file-invalid', `${path} holds a ${found} key, not Ed25519.`);
  }
  return toKeyPair(key);
}

/** {@link loadKeyPair}, or {@link createKeyFile} where there is no file yet. Safe when two start at once. */
export function ensureKeyPair(path: string): KeyPair {
  try {
    return loadKeyPair(path);
  } catch (error) {
    if (codeOf(error) !== 'key-file-missing') throw error;
  }
  try {
    return createKeyFile(path);
  } catch (error) {
    if (codeOf(error) !== 'key-file-exists') throw error;
    return loadKeyPair(path);
  }
}

/**
 * Reads a small secret file as text, refusing one that group or others may read or write.
 * @throws SigningError as {@link loadKeyPair} does
 */
export function readPrivateFile(path: string): string {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    throw new SigningError('key-file-missing', `There is no key file at ${path}.`, error);
  }
  try {
    const { mode, size } = fstatSync(file);
    if ((mode & constants.S_IFMT) !== constants.S_IFREG || size > MAX_KEY_FILE_BYTES) {
      throw new SigningError('key-file-invalid', `${path} is no key file.`);
    }
    if ((mode & 0o077) !== 0) {
      throw new SigningError(
        'key-file-too-open',
        `${path} has mode ${(mode & 0o777).toString(8)}: others may read it. ` +
          `Make it yours alone (chmod 600), and replace the key if others could have read it.`,
      );
    }
    const buffer = Buffer.alloc(MAX_KEY_FILE_BYTES);
    return buffer.toString('utf8', 0, readSync(file, buffer));
  } finally {
    closeSync(file);
  }
}

function toKeyPair(privateKey: KeyObject): KeyPair {
  const publicKey = createPublicKey(privateKey);
  return {
    keyId: idOfKey(publicKey),
    publicKey: publicKey.export({ format: 'pem', type: 'spki' }) as string,
    sign: (data) => new Uint8Array(sign(null, data, privateKey)),
  };
}

/** {@link keyIdOf} of a key that was read already. */
export function idOfKey(publicKey: KeyObject): string {
  const known = ids.get(publicKey);
  if (known !== undefined) return known;
  const der = publicKey.export({ format: 'der', type: 'spki' });
  const id = digestOfBytes(new Uint8Array(der));
  ids.set(publicKey, id);
  return id;
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code;
}
