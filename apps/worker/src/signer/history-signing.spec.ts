import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createPromotionScene, type PromotionScene } from '@sluice/activities/testing';
import type { HistoryHead, Statement } from '@sluice/domain';
import {
  enqueueOutbox,
  insertHistory,
  type Pool,
  setPacketDigest,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import { digestOfBytes } from '@sluice/pure';
import {
  composeHistoryStatement,
  createTrustRoot,
  generateKeyPair,
  type HistoryPredicate,
  statementDigest,
  verifyEnvelope,
} from '@sluice/signing';
import { signHistory } from './history-signing.ts';

const keyPair = generateKeyPair();
const packetDigest = digestOfBytes('packet');
let scene: PromotionScene;
let signer: Pool;
let tenantId: string;
let sealed: string;
let open: string;

beforeAll(async () => {
  scene = await createPromotionScene({ policyDigest: digestOfBytes('policy') });
  signer = scene.database.poolOf('sluice_signer');
  const release = await scene.addRelease('1.0.0');
  const promotion = await scene.addPromotion(release);
  sealed = promotion.promotionId;
  open = (await scene.addPromotion(release)).promotionId;
  await scene.database.query(`select tenant_id from sluice.tenants`).then(([row]) => {
    tenantId = String(row?.['tenant_id']);
  });
  await inTenant(async (tx) => {
    for (const workflowId of [workflowOf(sealed), workflowOf(open)]) {
      await ask(tx, workflowId, 'promoteRelease');
    }
    await ask(tx, `release-request/${tenantId}/r1`, 'resolveRelease');
    await setPacketDigest(tx, sealed, packetDigest);
  });
});
afterAll(() => scene.database.drop());

const inTenant = <T>(work: (tx: Tx) => Promise<T>) => withTenant(scene.worker, tenantId, work);
const workflowOf = (promotionId: string): string => `promotion/${tenantId}/${promotionId}`;

const ask = (tx: Tx, workflowId: string, workflowType: string) =>
  enqueueOutbox(tx, {
    kind: 'start-workflow',
    body: {
      workflowId,
      workflowType,
      taskQueue: 'q',
      input: {},
      searchAttributes: { tenant: tenantId },
    },
  });

type Changed = Partial<Omit<HistoryHead, 'tenantId'> & HistoryPredicate>;

function statementOf(changed: Changed = {}): Statement {
  const said = {
    workflowId: workflowOf(sealed),
    runId: 'run-1',
    workflowType: 'promoteRelease',
    status: 'completed' as const,
    eventCount: 12,
    startedAt: '2026-01-01T00:00:00.000Z',
    closedAt: '2026-01-01T00:01:00.000Z',
    buildIds: ['b1'],
    bundleDigests: [digestOfBytes('bundle')],
    historyDigest: digestOfBytes('history'),
    archiveDigest: digestOfBytes('archive'),
    packetDigest,
    promotionId: sealed,
    ...changed,
  };
  return composeHistoryStatement(said, said);
}

async function refusalOf(statement: unknown): Promise<string | undefined> {
  const answer = await signHistory(signer, keyPair, {
    tenantId,
    statement: statement as Statement,
  });
  return answer.ok ? undefined : answer.refusal.code;
}

test('what agrees with the records is signed, and names history and packet', async () => {
  const statement = statementOf();
  const answer = await signHistory(signer, keyPair, { tenantId, statement });
  if (!answer.ok) throw new Error(answer.refusal.message);
  const { envelope } = answer.value as { envelope: never };
  const { publicKey } = keyPair;
  const trust = createTrustRoot([
    { publicKey, use: 'evidence', notBefore: '2020-01-01T00:00:00Z' },
  ]);
  expect(verifyEnvelope(envelope, trust.keys)).toMatchObject({ ok: true });
  expect(statement.subject.map(({ name }) => name)).toEqual([
    `${workflowOf(sealed)}/run-1`,
    'packet',
  ]);
});

test('what has no packet is signed without one', async () => {
  const without = { packetDigest: null };
  expect(
    await refusalOf(statementOf({ ...without, workflowId: workflowOf(open), promotionId: open })),
  ).toBe(undefined);
  const workflowId = `release-request/${tenantId}/r1`;
  const workflowType = 'resolveRelease';
  expect(
    await refusalOf(statementOf({ ...without, workflowId, workflowType, promotionId: null })),
  ).toBe(undefined);
});

test.each<[string, () => Changed]>([
  ['workflow-foreign', () => ({ workflowId: 'promotion/elsewhere/dev/1' })],
  ['workflow-foreign', () => ({ workflowId: 'somebody-else' })],
  ['workflow-unknown', () => ({ workflowId: `settlement/${tenantId}/${sealed}` })],
  ['workflow-differs', () => ({ workflowType: 'settlePromotion' })],
  ['promotion-differs', () => ({ promotionId: open })],
  ['promotion-differs', () => ({ promotionId: null })],
  ['packet-differs', () => ({ packetDigest: null })],
  ['packet-differs', () => ({ packetDigest: digestOfBytes('another') })],
  ['packet-differs', () => ({ workflowId: workflowOf(open), promotionId: open })],
  ['statement-malformed', () => ({ eventCount: 0 })],
  ['statement-malformed', () => ({ status: 'running' as never })],
  ['statement-malformed', () => ({ closedAt: 'yesterday' })],
  ['statement-malformed', () => ({ bundleDigests: ['none'] })],
])('%s', async (code, changed) => {
  expect(await refusalOf(statementOf(changed()))).toBe(code);
});

test('a statement that says more, or something else than its predicate, is refused', async () => {
  const statement = statementOf();
  const [history, packet] = statement.subject;
  const odd: readonly unknown[] = [
    { ...statement, more: 1 },
    { ...statement, predicate: { ...statement.predicate, more: 1 } },
    { ...statement, subject: [packet, history] },
    { ...statement, subject: [history] },
    { ...statement, subject: [{ ...history, name: 'another/run' }, packet] },
    { ...statement, predicateType: 'urn:sluice:promotion:v1' },
    null,
    'text',
  ];
  for (const one of odd) expect(await refusalOf(one)).toBe('statement-malformed');
  const request = { tenantId, statement, promotionId: sealed };
  expect(await signHistory(signer, keyPair, request)).toMatchObject({
    refusal: { code: 'request-invalid' },
  });
  expect(await signHistory(signer, keyPair, { tenantId: 'No', statement })).toMatchObject({
    refusal: { code: 'request-invalid' },
  });
});

test('another history of an archived run is refused, the same one is signed again', async () => {
  const statement = statementOf();
  const answer = await signHistory(signer, keyPair, { tenantId, statement });
  if (!answer.ok) throw new Error(answer.refusal.message);
  const { envelope } = answer.value as { envelope: Parameters<typeof statementDigest>[0] & never };
  await inTenant((tx) =>
    insertHistory(tx, {
      ...(statement.predicate as unknown as HistoryPredicate),
      historyDigest: digestOfBytes('history'),
      archiveSize: 1,
      statementDigest: statementDigest(envelope),
      envelope,
    }),
  );
  expect(await refusalOf(statementOf({ archiveDigest: digestOfBytes('again') }))).toBe(undefined);
  expect(await refusalOf(statementOf({ historyDigest: digestOfBytes('forged') }))).toBe(
    'history-differs',
  );
});
