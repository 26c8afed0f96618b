import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { TrustRoot } from '@sluice/domain';
import { canonicalJson } from '@sluice/pure';
import { createTrustRoot, ensureKeyPair, type KeyPair, parseTrustRoot } from '@sluice/signing';

/** The signer's two keys and what others need to verify them with. */
export interface SignerKeys {
  readonly command: KeyPair;
  readonly evidence: KeyPair;
  readonly trustRoot: TrustRoot;
}

/**
 * Loads the signer's keys, making them (mode 600, in a folder of mode 700) at the first start, and makes sure
 * that the public trust root file holds them. Keys of earlier days that stand in the file stay there: what they
 * signed must stay verifiable.
 * @param now RFC 3339; `notBefore` of keys that the file does not have yet
 * @throws SigningError for a key file that others may read, or a trust root that is none
 */
export function openSignerKeys(keysDir: string, trustRootFile: string, now: string): SignerKeys {
  mkdirSync(keysDir, { recursive: true, mode: 0o700 });
  const command = ensureKeyPair(join(keysDir, 'command.key.pem'));
  const evidence = ensureKeyPair(join(keysDir, 'evidence.key.pem'));
  const known = readTrustRoot(trustRootFile)?.keys ?? [];
  const missing = [
    { publicKey: command.publicKey, id: command.keyId, use: 'command' as const },
    { publicKey: evidence.publicKey, id: evidence.keyId, use: 'evidence' as const },
  ].filter(({ id, use }) => !known.some((key) => key.id === id && key.use === use));
  const trustRoot = createTrustRoot([
    ...known,
    ...missing.map(({ publicKey, use }) => ({ publicKey, use, notBefore: now })),
  ]);
  if (missing.length > 0) writeWhole(trustRootFile, `${canonicalJson(trustRoot)}\n`);
  return { command, evidence, trustRoot };
}

function readTrustRoot(file: string): TrustRoot | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return parseTrustRoot(text.trim());
}

function writeWhole(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  const aside = `${file}.${process.pid}.tmp`;
  const handle = openSync(aside, 'w', 0o644);
  try {
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(aside, file);
}
