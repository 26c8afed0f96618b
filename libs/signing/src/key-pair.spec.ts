import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import {
  createKeyFile,
  ensureKeyPair,
  generateKeyPair,
  keyIdOf,
  loadKeyPair,
  parsePublicKey,
} from './key-pair.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-keys-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function codeOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return 'no error';
}

test('a key file is made with mode 600 and gives the same key when it is loaded', () => {
  const path = join(folder, 'one.pem');
  const made = createKeyFile(path);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(loadKeyPair(path).keyId).toBe(made.keyId);
  expect(loadKeyPair(path).sign(Buffer.from('x'))).toEqual(made.sign(Buffer.from('x')));
  expect(keyIdOf(made.publicKey)).toBe(made.keyId);
  expect(codeOf(() => createKeyFile(path))).toBe('key-file-exists');
  expect(loadKeyPair(path).keyId).toBe(made.keyId);
  expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});

test.each([0o640, 0o604, 0o660, 0o644])('mode %o is refused', (mode) => {
  const path = join(folder, `mode-${mode}.pem`);
  createKeyFile(path);
  chmodSync(path, mode);
  expect(codeOf(() => loadKeyPair(path))).toBe('key-file-too-open');
});

test('a missing file, rubbish, a folder and another algorithm are told apart from a good key', () => {
  expect(codeOf(() => loadKeyPair(join(folder, 'none.pem')))).toBe('key-file-missing');
  const rubbish = join(folder, 'rubbish.pem');
  writeFileSync(rubbish, 'rubbish', { mode: 0o600 });
  expect(codeOf(() => loadKeyPair(rubbish))).toBe('key-file-invalid');
  expect(codeOf(() => loadKeyPair(folder))).toBe('key-file-invalid');
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const other = join(folder, 'ec.pem');
  writeFileSync(other, ec.privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
  expect(codeOf(() => loadKeyPair(other))).toBe('key-file-invalid');
  const pem = ec.publicKey.export({ format: 'pem', type: 'spki' }) as string;
  expect(codeOf(() => parsePublicKey(pem))).toBe('public-key-invalid');
});

test('a private key is no public key', () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
  expect(codeOf(() => parsePublicKey(pem))).toBe('public-key-invalid');
});

test('ensureKeyPair makes once and loads ever after', () => {
  const path = join(folder, 'ensured.pem');
  expect(ensureKeyPair(path).keyId).toBe(ensureKeyPair(path).keyId);
});

test('the JSON of a key pair holds no private key', () => {
  expect(Object.keys(JSON.parse(JSON.stringify(generateKeyPair())))).toEqual([
    'keyId',
    'publicKey',
  ]);
});
