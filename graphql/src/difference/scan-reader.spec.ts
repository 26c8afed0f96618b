import { expect, test } from '@jest/globals';
import type { Logger } from '@sluice/observability';
import { canonicalJson, digestOfBytes } from '@sluice/pure';
import { createScanReader } from './scan-reader.ts';

/** Documents in memory that count how often they are read, and how many at once. */
class InMemoryDocuments {
  readonly #texts = new Map<string, string>();
  readonly read: string[] = [];
  mostAtOnce = 0;
  #now = 0;

  add(document: unknown): string {
    const text = typeof document === 'string' ? document : canonicalJson(document);
    const digest = digestOfBytes(text);
    this.#texts.set(digest, text);
    return digest;
  }

  async getBytes(digest: string, { maxBytes }: { readonly maxBytes: number }) {
    this.read.push(digest);
    this.#now += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#now);
    await new Promise((resolve) => setTimeout(resolve, 1));
    this.#now -= 1;
    const text = this.#texts.get(digest);
    if (text === undefined) throw new Error('evidence-not-found');
    if (text.length > maxBytes) throw new Error('evidence-too-large');
    return new TextEncoder().encode(text);
  }
}

function fakeLog() {
  const warned: unknown[] = [];
  return { warned, log: { warn: (fields: unknown) => warned.push(fields) } as unknown as Logger };
}

const sbom = (...names: string[]) => ({
  bomFormat: 'CycloneDX',
  components: [
    { type: 'operating-system', name: 'debian', version: '12' },
    { type: 'application', name: 'app/package-lock.json' },
    ...names.map((name) => ({
      type: 'library',
      name,
      version: '1.0.0',
      purl: `pkg:npm/${name}@1.0.0`,
    })),
  ],
});
const secret = {
  component: 'web',
  rule: 'private-key',
  title: 'Asymmetric private key',
  severity: 'HIGH',
  path: '/app/key',
  layerDigest: null,
  startLine: 3,
};
const findings = { schema: 'sluice.findings/v1', secrets: [secret], misconfigurations: [] };

test('an SBOM gives its packages, a list of SBOMs those of every image', async () => {
  const documents = new InMemoryDocuments();
  const { log, warned } = fakeLog();
  const reader = createScanReader(documents);
  const one = documents.add(sbom('a', 'b'));
  const two = documents.add({ ...sbom('c'), version: 2 });
  const list = documents.add({
    schema: 'sluice.sbom-list/v1',
    images: [{ sbom: one }, { sbom: two }],
  });
  expect(await reader.packages(one, log)).toEqual([
    { name: 'npm/a', version: '1.0.0' },
    { name: 'npm/b', version: '1.0.0' },
  ]);
  expect((await reader.packages(list, log))?.map(({ name }) => name)).toEqual([
    'npm/a',
    'npm/b',
    'npm/c',
  ]);
  expect(warned).toEqual([]);
});

test('libraries without a purl count by their name; files and the operating system do not', async () => {
  const documents = new InMemoryDocuments();
  const components = [
    { type: 'library', group: 'org', name: 'x' },
    { type: 'framework', name: 'y', version: '2' },
    { type: 'file', name: 'z' },
    { type: 'library', name: '' },
  ];
  const digest = documents.add({ bomFormat: 'CycloneDX', components });
  expect(await createScanReader(documents).packages(digest, fakeLog().log)).toEqual([
    { name: 'org/x', version: '' },
    { name: 'y', version: '2' },
  ]);
});

test('findings are shown by component, file and line', async () => {
  const documents = new InMemoryDocuments();
  const misconfiguration = { ...secret, rule: 'DS-0002', startLine: null, message: '', remedy: '' };
  const digest = documents.add({ ...findings, misconfigurations: [misconfiguration] });
  const read = await createScanReader(documents).findings(digest, fakeLog().log);
  expect(read?.map(({ kind, place }) => `${kind} ${place}`)).toEqual([
    'secret web:/app/key:3',
    'misconfiguration web:/app/key',
  ]);
});

test.each([
  ['not there', undefined],
  ['no JSON', '{'],
  ['no object', '[]'],
  ['no CycloneDX', '{"components":[]}'],
  ['components that are none', '{"bomFormat":"CycloneDX","components":[1]}'],
  ['a list of strange images', '{"schema":"sluice.sbom-list/v1","images":[{}]}'],
  [
    'a list of too many',
    canonicalJson({ schema: 'sluice.sbom-list/v1', images: Array(201).fill({}) }),
  ],
  ['too large', ' '.repeat(5000)],
])('what is %s is null, logged with its digest, and not remembered', async (_, text) => {
  const documents = new InMemoryDocuments();
  const { log, warned } = fakeLog();
  const reader = createScanReader(documents, 4096);
  const digest = text === undefined ? digestOfBytes('gone') : documents.add(text);
  expect(await reader.packages(digest, log)).toBeNull();
  expect(await reader.findings(digest, log)).toBeNull();
  expect(await reader.packages(digest, log)).toBeNull();
  expect(warned).toHaveLength(3);
  expect(warned[0]).toMatchObject({ digest });
  expect(documents.read).toHaveLength(3);
});

test.each([
  { ...findings, schema: 'sluice.findings/v2' },
  { ...findings, secrets: undefined },
  { ...findings, secrets: [{ ...secret, rule: 7 }] },
  { ...findings, secrets: [null] },
])('findings of another form are null, for they must not look like none (%#)', async (document) => {
  const documents = new InMemoryDocuments();
  const digest = documents.add(JSON.stringify(document));
  expect(await createScanReader(documents).findings(digest, fakeLog().log)).toBeNull();
});

test('the images of a list share one bound', async () => {
  const documents = new InMemoryDocuments();
  const one = documents.add(sbom('a'));
  const list = documents.add({
    schema: 'sluice.sbom-list/v1',
    images: [{ sbom: one }, { sbom: one }, { sbom: one }],
  });
  const { log } = fakeLog();
  const size = canonicalJson(sbom('a')).length;
  expect(await createScanReader(documents, size + 10).packages(one, log)).not.toBeNull();
  expect(await createScanReader(documents, size * 3).packages(list, log)).toBeNull();
});

test('a document is read once, however many ask; two at a time', async () => {
  const documents = new InMemoryDocuments();
  const reader = createScanReader(documents);
  const { log } = fakeLog();
  const digests = ['a', 'b', 'c', 'd', 'e'].map((name) => documents.add(sbom(name)));
  await Promise.all([...digests, ...digests].map((digest) => reader.packages(digest, log)));
  await Promise.all(digests.map((digest) => reader.packages(digest, log)));
  expect(documents.read).toHaveLength(5);
  expect(documents.mostAtOnce).toBe(2);
});
