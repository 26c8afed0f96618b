import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { digestOfBytes } from '@sluice/pure';
import type { EvidenceStore } from './evidence-store.ts';
import { createFolderStore } from './folder-store.ts';

const digest = digestOfBytes('hello');
const maxBytes = 1000;
let folder: string;
let store: EvidenceStore;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice evidence '));
  store = createFolderStore(folder);
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function pathOf(wanted: string): string {
  const hex = wanted.slice('sha256:'.length);
  return join(folder, 'sha256', hex.slice(0, 2), hex);
}

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

test('content goes in as text, bytes or stream and comes back by its digest', async () => {
  const forms = [
    'hello',
    Buffer.from('hello'),
    chunks('he', 'llo'),
    Readable.from([Buffer.from('hello')]),
  ];
  for (const content of forms) {
    expect(await store.put(content, { maxBytes, expectedDigest: digest })).toEqual({
      digest,
      size: 5,
    });
  }
  expect(readFileSync(pathOf(digest), 'utf8')).toBe('hello');
  expect(await store.has(digest)).toBe(true);
  expect(await store.findSize(digest)).toBe(5);
  expect(Buffer.from(await store.getBytes(digest, { maxBytes })).toString()).toBe('hello');
  const read: Buffer[] = [];
  for await (const chunk of await store.get(digest)) read.push(chunk as Buffer);
  expect(Buffer.concat(read).toString()).toBe('hello');
  expect(readdirSync(join(folder, 'tmp'))).toEqual([]);
});

test('empty content is content', async () => {
  const { digest: empty, size } = await store.put('', { maxBytes: 0 });
  expect([empty, size]).toEqual([digestOfBytes(''), 0]);
  expect(await store.getBytes(empty, { maxBytes: 0 })).toHaveLength(0);
});

test('too long, of another digest, broken off or given up: nothing is kept', async () => {
  const broken = (async function* () {
    yield Buffer.from('he');
    throw new Error('connection lost');
  })();
  await expect(store.put('hello', { maxBytes: 4 })).rejects.toMatchObject({
    code: 'evidence-too-large',
  });
  await expect(store.put('hallo', { maxBytes, expectedDigest: digest })).rejects.toMatchObject({
    code: 'evidence-digest-mismatch',
  });
  await expect(store.put(broken, { maxBytes })).rejects.toThrow('connection lost');
  const signal = AbortSignal.abort();
  await expect(store.put('hello', { maxBytes, signal })).rejects.toMatchObject({
    name: 'AbortError',
  });
  expect(readdirSync(join(folder, 'sha256'))).toEqual([]);
  expect(readdirSync(join(folder, 'tmp'))).toEqual([]);
});

test('what is not there is told as such', async () => {
  expect(await store.has(digest)).toBe(false);
  expect(await store.findSize(digest)).toBeUndefined();
  await expect(store.get(digest)).rejects.toMatchObject({ code: 'evidence-not-found' });
  await expect(store.getBytes(digest, { maxBytes })).rejects.toMatchObject({
    code: 'evidence-not-found',
  });
});

test('damaged content is never handed over whole, and is mended by putting it again', async () => {
  await store.put('hello', { maxBytes });
  for (const damage of ['hallo', 'hell', 'hello!']) {
    writeFileSync(pathOf(digest), damage);
    await expect(store.getBytes(digest, { maxBytes })).rejects.toMatchObject({
      code: 'evidence-corrupt',
    });
  }
  await store.put('hello', { maxBytes });
  expect(await store.getBytes(digest, { maxBytes })).toHaveLength(5);
});

test('a bounded read refuses what is longer', async () => {
  await store.put('hello', { maxBytes });
  await expect(store.getBytes(digest, { maxBytes: 4 })).rejects.toMatchObject({
    code: 'evidence-too-large',
  });
});

test('what is removed is gone, and can be put again', async () => {
  await store.put('hello', { maxBytes });
  expect(await store.remove(digest)).toBe(true);
  expect(await store.remove(digest)).toBe(false);
  expect(await store.has(digest)).toBe(false);
  await store.put('hello', { maxBytes });
  expect(await store.has(digest)).toBe(true);
});

test.each(['../../etc/passwd', 'sha256:x', `sha256:${'A'.repeat(64)}`, ''])(
  '"%s" is no digest and reaches no file',
  async (odd) => {
    const code = 'evidence-digest-invalid';
    await expect(store.get(odd)).rejects.toMatchObject({ code });
    await expect(store.has(odd)).rejects.toMatchObject({ code });
    await expect(store.remove(odd)).rejects.toMatchObject({ code });
    await expect(store.put('x', { maxBytes, expectedDigest: odd })).rejects.toMatchObject({ code });
  },
);

test('many writers of the same content at once agree', async () => {
  const results = await Promise.all(
    Array.from({ length: 20 }, () => createFolderStore(folder).put('hello', { maxBytes })),
  );
  expect(new Set(results.map((result) => result.digest))).toEqual(new Set([digest]));
  expect(readdirSync(join(folder, 'tmp'))).toEqual([]);
});

test('what a writer left behind a day ago is swept, what is being written is not', async () => {
  await store.put('hello', { maxBytes });
  const [old, young] = [join(folder, 'tmp', 'old'), join(folder, 'tmp', 'young')];
  for (const path of [old, young]) writeFileSync(path, 'half');
  const before = new Date(Date.now() - 25 * 3600 * 1000);
  utimesSync(old, before, before);
  await createFolderStore(folder).put('again', { maxBytes });
  expect([existsSync(old), existsSync(young)]).toEqual([false, true]);
});
