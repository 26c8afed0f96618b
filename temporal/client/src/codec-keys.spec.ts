import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { addCodecKeys, loadCodecKeys, parseCodecKeys } from './codec-keys.ts';

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice codec keys '));
  path = join(folder, 'codec-keys.json');
});
afterEach(() => rm(folder, { recursive: true }));

const key = randomBytes(32).toString('base64');

describe('the key file', () => {
  test('is made for tenants, for its owner alone, and extended without touching keys', async () => {
    await addCodecKeys(path, ['acme']);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const first = await loadCodecKeys(path);
    await addCodecKeys(path, ['acme', 'beta']);
    const second = await loadCodecKeys(path);
    expect([...second.current.keys()]).toEqual(['acme', 'beta']);
    expect(second.current.get('acme')).toEqual(first.current.get('acme'));
    expect(second.current.get('beta')?.key).toHaveLength(32);
  });

  test('that others can read is refused', async () => {
    await addCodecKeys(path, ['acme']);
    await chmod(path, 0o640);
    await expect(loadCodecKeys(path)).rejects.toMatchObject({
      code: 'codec-keys-invalid',
      message: expect.stringContaining('chmod 600'),
    });
  });

  test('that is not there is named', async () => {
    await expect(loadCodecKeys(path)).rejects.toMatchObject({
      code: 'codec-keys-invalid',
      message: expect.stringContaining(path),
    });
  });

  test('that is no JSON is refused without showing what stands in it', async () => {
    await writeFile(path, `{"tenants": {"acme": "${key}" oops`, { mode: 0o600 });
    const error = await loadCodecKeys(path).catch((thrown: unknown) => thrown as Error);
    expect(error).toMatchObject({ code: 'codec-keys-invalid' });
    expect(JSON.stringify([String(error), String((error as Error).cause)])).not.toContain(key);
    expect(await readFile(path, 'utf8')).toContain(key);
  });
});

describe('its content', () => {
  test.each([
    ['nothing', undefined],
    ['a list of tenants', { tenants: [] }],
    ['no tenants', {}],
    ['a tenant that is no name', { tenants: { 'A b': { keyId: 'k', key } } }],
    ['a key without an id', { tenants: { acme: { key } } }],
    ['a short key', { tenants: { acme: { keyId: 'k', key: 'AAAA' } } }],
    ['a key that is not base64', { tenants: { acme: { keyId: 'k', key: `${key.slice(1)}!` } } }],
    ['a key id twice', { tenants: { acme: { keyId: 'k', key }, beta: { keyId: 'k', key } } }],
    ['previous keys that are no list', { tenants: {}, previous: {} }],
    ['a previous key without a tenant', { tenants: {}, previous: [{ keyId: 'k', key }] }],
  ])('with %s is refused', (_what, content) => {
    expect(() => parseCodecKeys(content)).toThrow(
      expect.objectContaining({ code: 'codec-keys-invalid' }),
    );
  });
});
