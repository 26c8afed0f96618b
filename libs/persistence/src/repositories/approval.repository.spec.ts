import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Voter } from '@sluice/domain';
import { digestOfBytes } from '@sluice/pure';
import type { Pool } from '../pool.ts';
import { createScene, createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { type Tx, withTenant } from '../transaction.ts';
import {
  findApproval,
  insertApproval,
  listApprovalsOf,
  type NewApproval,
  reaskApproval,
  recordApproval,
  refuseApproval,
  votesOn,
} from './approval.repository.ts';
import {
  closeApprovalRequest,
  findApprovalRequest,
  insertApprovalRequest,
  listApprovalRequestsOf,
  listWaitingApprovals,
} from './approval-request.repository.ts';
import { insertPromotion } from './promotion.repository.ts';

let database: TestDatabase;
let app: Pool;
let worker: Pool;
let releaseDigest: string;
const planDigest = digestOfBytes('plan set');
const statementDigest = digestOfBytes('statement');
const rule = { count: 1, roles: ['approver' as const], deadlineSeconds: 60 };
const later = new Date(Date.now() + 3_600_000).toISOString();
const inApp = <T>(work: (tx: Tx) => Promise<T>) => withTenant(app, 'acme', work);
const inWorker = <T>(work: (tx: Tx) => Promise<T>) => withTenant(worker, 'acme', work);

beforeAll(async () => {
  database = await createTestDatabase();
  app = database.poolOf('sluice_app');
  worker = database.poolOf('sluice_worker');
  ({ releaseDigest } = await createScene(database));
});

afterAll(() => database.drop());

async function promote(): Promise<string> {
  const { promotionId } = await inApp((tx) =>
    insertPromotion(tx, {
      environment: 'prod',
      releaseDigest,
      kind: 'promote',
      requestedBy: 'release-manager',
      requestedPerson: 'release-manager',
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
      steps: [],
    }),
  );
  return promotionId;
}

const open = (promotionId: string, round = 1, deadline = later) =>
  inWorker((tx) =>
    insertApprovalRequest(tx, {
      promotionId,
      stepId: 'approval',
      round,
      releaseDigest,
      planDigest,
      rule,
      requesterPersonId: 'release-manager',
      deadline,
    }),
  );

const close = (promotionId: string, state: 'approved' | 'withdrawn', round = 1) =>
  inWorker((tx) =>
    closeApprovalRequest(tx, {
      promotionId,
      stepId: 'approval',
      round,
      state,
      reason: state === 'approved' ? null : { code: 'plan-stale', message: 'It changed.' },
    }),
  );

const ballot = (promotionId: string, key: string, person = 'approver'): NewApproval => ({
  approvalId: `${person}/${key}`,
  promotionId,
  principalId: person,
  personId: person,
  kind: 'person',
  role: 'approver',
  decision: 'approve',
  comment: 'Looks good.',
  releaseDigest,
  planDigest,
});

const ask = (input: NewApproval) => inApp((tx) => insertApproval(tx, input));
const record = (approvalId: string, round = 1, stepId = 'approval') =>
  inWorker((tx) => recordApproval(tx, { approvalId, stepId, round, statementDigest }));
const refuse = (approvalId: string) =>
  inApp((tx) => refuseApproval(tx, { approvalId, code: 'approval-late', message: 'Too late.' }));

test('a round is opened once and ended once; the newest one counts', async () => {
  const promotionId = await promote();
  expect(await inApp((tx) => findApprovalRequest(tx, promotionId))).toBeUndefined();
  expect(await open(promotionId)).toBe(true);
  expect(await open(promotionId)).toBe(false);
  expect(await inApp((tx) => findApprovalRequest(tx, promotionId))).toEqual({
    promotionId,
    stepId: 'approval',
    round: 1,
    releaseDigest,
    planDigest,
    rule,
    requesterPersonId: 'release-manager',
    state: 'waiting',
    reason: null,
    deadline: expect.stringMatching(/Z$/),
    openedAt: expect.any(String),
    closedAt: null,
  });
  expect(await close(promotionId, 'withdrawn')).toBe(true);
  expect(await close(promotionId, 'approved')).toBe(false);
  expect(await open(promotionId, 2)).toBe(true);
  expect(await close(promotionId, 'approved', 2)).toBe(true);
  expect(await close(promotionId, 'approved', 3)).toBe(false);
  const rounds = await inApp((tx) => listApprovalRequestsOf(tx, [promotionId, 'dev/999']));
  expect(rounds.map(({ round, state, reason }) => [round, state, reason])).toEqual([
    [1, 'withdrawn', { code: 'plan-stale', message: 'It changed.' }],
    [2, 'approved', null],
  ]);
  expect(await inApp((tx) => findApprovalRequest(tx, promotionId))).toMatchObject({
    round: 2,
    closedAt: expect.any(String),
  });
});

test('a decision is stored once under its id, also by two API processes at the same time', async () => {
  const promotionId = await promote();
  const input = ballot(promotionId, 'once');
  const answers = await Promise.all([ask(input), ask(input), ask({ ...input, comment: 'Other' })]);
  expect(answers.filter(({ inserted }) => inserted)).toHaveLength(1);
  expect(new Set(answers.map(({ approval }) => approval.comment)).size).toBe(1);
  expect(answers[0]?.approval).toMatchObject({
    approvalId: 'approver/once',
    state: 'asked',
    refusal: null,
    round: null,
    stepId: null,
    statementDigest: null,
    settledAt: null,
  });
});

test('what is recorded stays so; what was refused may be asked again and then counts', async () => {
  const promotionId = await promote();
  const { approvalId } = (await ask(ballot(promotionId, 'again'))).approval;
  expect(await refuse(approvalId)).toBe(true);
  expect(await refuse(approvalId)).toBe(false);
  expect(await inApp((tx) => findApproval(tx, approvalId))).toMatchObject({
    state: 'refused',
    refusal: { code: 'approval-late', message: 'Too late.' },
  });
  expect(await inApp((tx) => reaskApproval(tx, approvalId))).toBe(true);
  expect(await inApp((tx) => reaskApproval(tx, approvalId))).toBe(false);
  expect(await record(approvalId)).toBe(true);
  expect(await record(approvalId)).toBe(false);
  expect(await refuse(approvalId)).toBe(false);
  expect(await inApp((tx) => reaskApproval(tx, approvalId))).toBe(false);
  expect(await inApp((tx) => listApprovalsOf(tx, [promotionId]))).toMatchObject([
    { approvalId, state: 'recorded', round: 1, statementDigest, refusal: null },
  ]);
  await expect(record(approvalId, 2)).rejects.toMatchObject({ code: 'record-conflict' });
  await expect(record('approver/none')).rejects.toMatchObject({ code: 'not-found' });
});

test('a decision that was refused while the promotion took it into account is recorded', async () => {
  const promotionId = await promote();
  const { approvalId } = (await ask(ballot(promotionId, 'race'))).approval;
  await refuse(approvalId);
  expect(await record(approvalId)).toBe(true);
  expect(await inApp((tx) => findApproval(tx, approvalId))).toMatchObject({
    state: 'recorded',
    refusal: null,
  });
});

test('a person counts once a plan, in each round', async () => {
  const promotionId = await promote();
  for (const key of ['one', 'two', 'three']) await ask(ballot(promotionId, `count-${key}`));
  expect(await record('approver/count-one')).toBe(true);
  await expect(record('approver/count-two')).rejects.toMatchObject({ code: 'record-conflict' });
  expect(await record('approver/count-three', 2)).toBe(true);
  await ask(ballot(promotionId, 'count', 'admin'));
  expect(await record('admin/count')).toBe(true);
  const said = await inApp((tx) => listApprovalsOf(tx, [promotionId]));
  expect(said.map(({ approvalId, state, round }) => [approvalId, state, round])).toEqual([
    ['approver/count-one', 'recorded', 1],
    ['approver/count-two', 'asked', null],
    ['approver/count-three', 'recorded', 2],
    ['admin/count', 'recorded', 1],
  ]);
});

test('a person counts once for each step that asks about one plan', async () => {
  const promotionId = await promote();
  for (const key of ['a', 'b', 'c']) await ask(ballot(promotionId, `steps-${key}`));
  const of = (stepId: string) => ({ promotionId, stepId, round: 1 });
  const voter = { personId: 'approver', principalId: 'approver', kind: 'person', role: 'approver' };
  const asked = async () => {
    const { edges } = await inApp((tx) =>
      listWaitingApprovals(tx, { first: 100, voter: voter as Voter }),
    );
    return edges.map(({ node }) => node).filter((node) => node.promotionId === promotionId);
  };
  for (const stepId of ['early', 'late']) {
    await inWorker((tx) =>
      insertApprovalRequest(tx, {
        ...of(stepId),
        releaseDigest,
        planDigest,
        rule,
        requesterPersonId: 'release-manager',
        deadline: new Date(Date.now() + 60_000).toISOString(),
      }),
    );
  }
  expect((await asked()).map(({ stepId }) => stepId)).toEqual(['early', 'late']);
  expect(await record('approver/steps-a', 1, 'early')).toBe(true);
  await expect(record('approver/steps-b', 1, 'early')).rejects.toMatchObject({
    code: 'record-conflict',
  });
  expect((await asked()).map(({ stepId }) => stepId)).toEqual(['late']);
  expect(await record('approver/steps-c', 1, 'late')).toBe(true);
  expect(await asked()).toEqual([]);
  const said = await inApp((tx) => listApprovalsOf(tx, [promotionId]));
  const idsOf = (stepId: string) =>
    votesOn({ stepId, round: 1, planDigest }, said).map(({ approvalId }) => approvalId);
  expect(idsOf('early')).toEqual(['approver/steps-a']);
  expect(idsOf('late')).toEqual(['approver/steps-c']);
  expect(await inApp((tx) => findApprovalRequest(tx, promotionId, 'early'))).toMatchObject({
    stepId: 'early',
  });
});

test('the worker can make no decision, and the API can let none count', async () => {
  const promotionId = await promote();
  const { approvalId } = (await ask(ballot(promotionId, 'rights'))).approval;
  await expect(
    inWorker((tx) => insertApproval(tx, ballot(promotionId, 'forged'))),
  ).rejects.toMatchObject({ code: '42501' });
  for (const sql of [
    `update sluice.approvals set person_id = 'mallory'`,
    `update sluice.approvals set decision = 'reject'`,
    `update sluice.approvals set plan_set_digest = '${digestOfBytes('other')}'`,
    'delete from sluice.approvals',
  ]) {
    await expect(inWorker((tx) => tx.query(sql))).rejects.toMatchObject({ code: '42501' });
    await expect(inApp((tx) => tx.query(sql))).rejects.toMatchObject({ code: '42501' });
  }
  const denied = [
    `update sluice.approvals set state = 'recorded', round = 1, statement_digest = 'x'`,
    `insert into sluice.approvals (tenant_id, approval_id, promotion_id, principal_id, person_id, kind, role,
       decision, release_digest, plan_set_digest, state, round, statement_digest)
     values ('acme', 'x/forged', '${promotionId}', 'approver', 'approver', 'person', 'approver', 'approve', 'r',
       'p', 'recorded', 1, 's')`,
    `update sluice.approval_requests set state = 'approved'`,
    `insert into sluice.plan_sets (tenant_id, promotion_id, round, plan_set_digest, body)
     values ('acme', '${promotionId}', 9, '${planDigest}', '{}')`,
  ];
  for (const sql of denied) {
    await expect(inApp((tx) => tx.query(sql))).rejects.toMatchObject({ code: '42501' });
  }
  // Allowed columns, but no recorded row is without its statement, and none with one is anything else.
  for (const state of ['recorded', 'refused', 'asked'] as const) {
    if (state === 'refused') await record(approvalId);
    await expect(
      inApp((tx) =>
        tx.query(
          `update sluice.approvals set state = $2, refusal_code = case when $2 = 'refused' then 'x' end
            where approval_id = $1`,
          [approvalId, state],
        ),
      ),
    ).rejects.toMatchObject({ code: '23514' });
  }
  const signer = database.poolOf('sluice_signer');
  expect(await withTenant(signer, 'acme', (tx) => findApproval(tx, approvalId))).toMatchObject({
    state: 'recorded',
  });
  for (const table of ['plan_sets', 'approval_requests', 'approvals', 'principals']) {
    await withTenant(signer, 'acme', (tx) => tx.query(`select from sluice.${table}`));
    await expect(
      withTenant(signer, 'acme', (tx) => tx.query(`delete from sluice.${table}`)),
    ).rejects.toMatchObject({ code: '42501' });
  }
});

test('who waits is listed oldest first, and for a voter only what is theirs to decide now', async () => {
  await database.query(`update sluice.approval_requests set state = 'withdrawn', closed_at = now()
    where state = 'waiting'`);
  const ids: string[] = [];
  for (let n = 0; n < 5; n += 1) {
    const promotionId = await promote();
    ids.push(promotionId);
    // The third one is late, though nobody has closed it yet.
    await open(promotionId, 1, n === 2 ? '2020-01-01T00:00:00Z' : later);
  }
  const list = async (voter?: Voter, first = 20, after?: string | null) => {
    const page = await inApp((tx) => listWaitingApprovals(tx, { first, after, voter }));
    return { ids: page.edges.map(({ node }) => node.promotionId), page };
  };
  const as = (personId: string, more: Partial<Voter> = {}): Voter => ({
    principalId: personId,
    personId,
    kind: 'person',
    role: 'approver',
    ...more,
  });
  expect((await list()).ids).toEqual(ids);
  const inTime = ids.filter((_id, n) => n !== 2);
  expect((await list(as('approver'))).ids).toEqual(inTime);
  expect((await list(as('release-manager'))).ids).toEqual([]);
  expect((await list(as('viewer', { role: 'viewer' }))).ids).toEqual([]);
  expect((await list(as('approver', { principalId: 'bot', kind: 'service' }))).ids).toEqual([]);

  const first = inTime[0] ?? '';
  await ask(ballot(first, 'inbox'));
  expect((await list(as('approver'))).ids).toEqual(inTime);
  await record('approver/inbox');
  expect((await list(as('approver'))).ids).toEqual(inTime.slice(1));
  expect((await list(as('somebody'))).ids).toEqual(inTime);
  await close(inTime[1] ?? '', 'withdrawn');
  expect((await list(as('approver'))).ids).toEqual(inTime.slice(2));
  await open(inTime[1] ?? '', 2);
  expect((await list(as('approver'))).ids).toEqual([...inTime.slice(2), inTime[1]]);

  const one = await list(undefined, 2);
  expect(one.page.hasNextPage).toBe(true);
  const two = await list(undefined, 2, one.page.endCursor);
  const three = await list(undefined, 2, two.page.endCursor);
  expect([...one.ids, ...two.ids, ...three.ids]).toEqual((await list()).ids);
  expect(three.page.hasNextPage).toBe(false);
});
