import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { digestOf, digestOfBytes } from '@sluice/pure';
import type { Pool } from '../pool.ts';
import {
  createScene,
  createTestDatabase,
  sceneRelease,
  type TestDatabase,
} from '../testing/index.ts';
import { type Tx, withTenant } from '../transaction.ts';
import { findDecision, insertDecision, listDecisionsOf } from './decision.repository.ts';
import { hasEvidence, insertEvidence } from './evidence.repository.ts';
import {
  findReleaseByVersion,
  getRelease,
  insertRelease,
  listReleases,
  listReleasesByDigest,
} from './release.repository.ts';
import {
  getReleaseRequest,
  insertReleaseRequest,
  settleReleaseRequest,
} from './release-request.repository.ts';
import { insertStatement, listStatements } from './statement.repository.ts';

let database: TestDatabase;
let app: Pool;
let worker: Pool;
let promotionId: string;
const inApp = <T>(work: (tx: Tx) => Promise<T>) => withTenant(app, 'acme', work);
const inWorker = <T>(work: (tx: Tx) => Promise<T>) => withTenant(worker, 'acme', work);
const store = (version: string, name?: string) =>
  inWorker((tx) => insertRelease(tx, { release: sceneRelease(version, name), createdBy: 'alice' }));

beforeAll(async () => {
  database = await createTestDatabase();
  app = database.poolOf('sluice_app');
  worker = database.poolOf('sluice_worker');
  ({
    promotion: { promotionId },
  } = await createScene(database));
});

afterAll(() => database.drop());

test('a release is stored once under its digest, and a version means one content', async () => {
  const digest = digestOf(sceneRelease('2.0.0'));
  expect(await store('2.0.0')).toEqual({
    ok: true,
    value: { releaseDigest: digest, created: true },
  });
  expect(await store('2.0.0')).toMatchObject({ ok: true, value: { created: false } });
  const [component] = sceneRelease('2.0.0').components;
  if (component === undefined) throw new Error('a component is needed');
  const other = {
    ...sceneRelease('2.0.0'),
    components: [{ ...component, digest: digestOfBytes('other') }],
  };
  expect(
    await inWorker((tx) => insertRelease(tx, { release: other, createdBy: 'alice' })),
  ).toMatchObject({ ok: false, refusal: { code: 'release-version-taken' } });
  expect((await inApp((tx) => getRelease(tx, digest))).body).toEqual(sceneRelease('2.0.0'));
  expect((await inApp((tx) => findReleaseByVersion(tx, 'sample', '2.0.0')))?.releaseDigest).toBe(
    digest,
  );
  expect(await inApp((tx) => listReleasesByDigest(tx, [digest, 'sha256:no']))).toHaveLength(1);
  await expect(inApp((tx) => getRelease(tx, 'sha256:no'))).rejects.toMatchObject({
    code: 'not-found',
  });
});

test('releases are listed newest first, all or by name', async () => {
  for (const version of ['1', '2', '3']) await store(version, 'listed');
  const page = await inApp((tx) => listReleases(tx, { first: 2, name: 'listed' }));
  expect(page.edges.map(({ node }) => node.version)).toEqual(['3', '2']);
  expect(page.hasNextPage).toBe(true);
  const next = await inApp((tx) =>
    listReleases(tx, { first: 2, name: 'listed', after: page.endCursor }),
  );
  expect(next.edges.map(({ node }) => node.version)).toEqual(['1']);
  expect(next.hasNextPage).toBe(false);
  expect((await inApp((tx) => listReleases(tx, { first: 1 }))).edges[0]?.node.version).toBe('3');
});

test('a request is settled once, with its first answer', async () => {
  const insert = (requestId: string) =>
    inApp((tx) =>
      insertReleaseRequest(tx, { requestId, body: { a: 1 }, requestedBy: 'alice', traceId: null }),
    );
  expect(await insert('one')).toMatchObject({ state: 'resolving', refusal: null });
  await insert('two');
  const stored = await store('3.0.0');
  if (!stored.ok) throw new Error('the release was not stored');
  const { releaseDigest } = stored.value;
  const settle = (requestId: string, outcome: Parameters<typeof settleReleaseRequest>[2]) =>
    inWorker((tx) => settleReleaseRequest(tx, requestId, outcome));
  expect(await settle('one', { state: 'created', releaseDigest })).toBe(true);
  expect(await settle('one', { state: 'refused', code: 'late', message: 'No.' })).toBe(false);
  expect(await settle('two', { state: 'refused', code: 'tag-unknown', message: 'No.' })).toBe(true);
  expect(await inApp((tx) => getReleaseRequest(tx, 'one'))).toMatchObject({
    state: 'created',
    releaseDigest,
    refusal: null,
    settledAt: expect.any(String),
  });
  expect(await inApp((tx) => getReleaseRequest(tx, 'two'))).toMatchObject({
    state: 'refused',
    releaseDigest: null,
    refusal: { code: 'tag-unknown', message: 'No.' },
  });
  await expect(settle('none', { state: 'refused', code: 'x', message: '' })).rejects.toMatchObject({
    code: 'not-found',
  });
});

test('a decision is stored once and never changes', async () => {
  const decision = {
    decision: 'deny' as const,
    reasonCodes: ['secret-in-image'],
    policyDigest: 'sha256:p',
    inputDigest: 'sha256:i',
    determinismHash: 'sha256:d',
    evaluatedAt: '2026-01-01T00:00:00.000Z',
    trace: [{ rule: 'r', source: 's:1', result: 'deny' as const, finding: 'f', remedy: 'do' }],
  };
  const insert = (body: typeof decision) =>
    inWorker((tx) => insertDecision(tx, { promotionId, stepId: 'gate', decision: body }));
  expect(await insert(decision)).toBe(true);
  expect(await insert(decision)).toBe(false);
  await expect(insert({ ...decision, inputDigest: 'sha256:other' })).rejects.toMatchObject({
    code: 'record-conflict',
  });
  const signer = database.poolOf('sluice_signer');
  const seen = await withTenant(signer, 'acme', (tx) => findDecision(tx, promotionId));
  expect(seen?.body).toEqual(decision);
  expect(await inApp((tx) => listDecisionsOf(tx, [promotionId]))).toHaveLength(1);
  expect(await inApp((tx) => findDecision(tx, promotionId, 'other'))).toBeUndefined();
});

test('statements and evidence are noted once, statements in their order', async () => {
  const envelope = { payloadType: 'p', payload: 'AA==', signatures: [] };
  const insert = (statementDigest: string) =>
    inWorker((tx) =>
      insertStatement(tx, { statementDigest, promotionId, predicateType: 'urn:x', envelope }),
    );
  expect(await insert('sha256:b')).toBe(true);
  expect(await insert('sha256:a')).toBe(true);
  expect(await insert('sha256:b')).toBe(false);
  const listed = await inApp((tx) => listStatements(tx, promotionId));
  expect(listed.map(({ statementDigest }) => statementDigest)).toEqual(['sha256:b', 'sha256:a']);
  const digest = digestOfBytes('blob');
  const note = () => inWorker((tx) => insertEvidence(tx, { digest, mediaType: 'a/b', size: 4 }));
  expect([await note(), await note()]).toEqual([true, false]);
  expect(await inApp((tx) => hasEvidence(tx, digest))).toBe(true);
  await database.addTenant('other');
  expect(await withTenant(app, 'other', (tx) => hasEvidence(tx, digest))).toBe(false);
});
