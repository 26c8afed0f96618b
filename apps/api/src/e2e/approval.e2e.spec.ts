import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { setPromotionState, withTenant } from '@sluice/persistence';
import { digestOfBytes } from '@sluice/pure';
import {
  type ApprovalScene,
  addWaitingApproval,
  askForApproval,
  type WaitingApproval,
} from '../testing/approval-scene.ts';
import { addPromotion, addRelease } from '../testing/scene.ts';
import {
  type Json,
  OTHER_TENANT,
  PROD_RULE,
  startTestApi,
  TENANT,
  type TestApi,
  tokenOf,
} from '../testing/test-api.ts';

let api: TestApi;
let release: string;

beforeAll(async () => {
  api = await startTestApi();
  release = await addRelease(api, '1.0.0');
});

afterAll(async () => {
  await api?.stop();
});

beforeEach(() => api.engine.lose(undefined));

const DECIDE = `mutation ($input: DecideApprovalInput!) {
  decideApproval(input: $input) {
    __typename
    ... on ApprovalRequest {
      id state round planDigest releaseDigest rule { count roles deadlineSeconds }
      decisions { id principal decision comment recorded refusal { code } }
      promotion { id } blockedForMe { code }
    }
    ... on Refusal { code message }
  }
}`;

let keys = 0;

async function decide(
  waiting: WaitingApproval,
  by = 'approver',
  change: Record<string, unknown> = {},
  through: TestApi = api,
): Promise<Json> {
  keys += 1;
  const input = { ...waiting, decision: 'APPROVE', idempotencyKey: `key-${keys}`, ...change };
  const answer = await through.ask(DECIDE, { input }, tokenOf(by));
  expect(answer.errors).toEqual([]);
  return answer.data?.decideApproval;
}

const wait = (options: ApprovalScene = {}) => addWaitingApproval(api, release, options);

async function eventsOf(promotion: string, type: string): Promise<readonly Json[]> {
  return api.database.query(
    'select actor, data from sluice.events where promotion_id = $1 and type = $2 order by arrival',
    [promotion, type],
  );
}

test('decisions of different people count until there are enough', async () => {
  const waiting = await wait();
  const first = await decide(waiting, 'approver', { comment: 'looks good' });
  expect(first).toMatchObject({
    __typename: 'ApprovalRequest',
    id: `${waiting.promotion}#1/approval`,
    state: 'WAITING',
    round: 1,
    planDigest: waiting.plan,
    releaseDigest: release,
    rule: { count: 2, roles: ['admin', 'approver'], deadlineSeconds: 3600 },
    promotion: { id: waiting.promotion },
    decisions: [
      { principal: 'approver', decision: 'APPROVE', comment: 'looks good', recorded: true },
    ],
    blockedForMe: { code: 'approval-duplicate' },
  });
  expect(await decide(waiting, 'admin')).toMatchObject({ state: 'APPROVED' });
  expect(await decide(waiting, 'second-approver')).toMatchObject({
    __typename: 'ApprovalRefused',
    code: 'approval-closed',
  });
});

test('two at the same instant both count, and one rejection ends it', async () => {
  const waiting = await wait();
  const answers = await Promise.all([decide(waiting, 'approver'), decide(waiting, 'admin')]);
  expect(answers.map(({ __typename }) => __typename)).toEqual([
    'ApprovalRequest',
    'ApprovalRequest',
  ]);
  expect(await eventsOf(waiting.promotion, 'approval.closed')).toHaveLength(1);
  const other = await wait();
  expect(await decide(other, 'approver', { decision: 'REJECT' })).toMatchObject({
    state: 'REJECTED',
  });
});

test('each rule is named by its code, and each refusal is one event', async () => {
  const waiting = await wait({ requestedBy: 'approver' });
  const plan = digestOfBytes('another plan');
  const cases: readonly (readonly [string, Promise<Json>])[] = [
    ['approver-is-requester', decide(waiting, 'approver')],
    // Their service account is another principal, and never a person.
    ['approver-not-a-person', decide(waiting, 'robot')],
    ['approval-wrong-plan', decide(waiting, 'admin', { plan })],
    ['approval-wrong-release', decide(waiting, 'admin', { release: plan })],
  ];
  for (const [code, answer] of cases) {
    expect(await answer).toMatchObject({ __typename: 'ApprovalRefused', code });
  }
  const late = await wait({ deadline: Date.now() - 1 });
  expect(await decide(late)).toMatchObject({ code: 'approval-late' });
  const admins = await wait({ rule: { ...PROD_RULE, roles: ['admin'] } });
  expect(await decide(admins)).toMatchObject({ code: 'approver-not-eligible' });
  const events = await eventsOf(waiting.promotion, 'approval.refused');
  expect(events.map(({ data }) => data.code).sort()).toEqual(cases.map(([code]) => code).sort());
  expect(events.find(({ data }) => data.code === 'approver-not-a-person')).toMatchObject({
    actor: 'principal:robot',
    data: { person: 'approver', decision: 'approve', planDigest: waiting.plan },
  });
  // Recorded as what they are, not a second time as any refused request.
  const generic = await api.database.query(
    "select 1 from sluice.events where type = 'request.refused' and data->>'refusal' = 'ApprovalRefused'",
  );
  expect(generic).toEqual([]);
});

test('a second token speaks for the same person: neither the requester nor a voter gains by it', async () => {
  const second = 'second-token-of-the-approver-0123456789';
  await api.database.query(
    'insert into sluice.principal_tokens (tenant_id, principal_id, token_hash) values ($1, $2, $3)',
    [TENANT, 'approver', digestOfBytes(second)],
  );
  const say = async (waiting: WaitingApproval): Promise<Json> => {
    keys += 1;
    const input = { ...waiting, decision: 'APPROVE', idempotencyKey: `key-${keys}` };
    return (await api.ask(DECIDE, { input }, second)).data?.decideApproval;
  };
  const own = await wait({ requestedBy: 'approver' });
  expect(await say(own)).toMatchObject({ code: 'approver-is-requester' });
  const other = await wait();
  expect(await decide(other)).toMatchObject({ state: 'WAITING' });
  expect(await say(other)).toMatchObject({ code: 'approval-duplicate' });
});

test('the same key gives the same answer, another payload with it a conflict', async () => {
  const waiting = await wait();
  const idempotencyKey = 'once';
  const first = await decide(waiting, 'approver', { idempotencyKey });
  const asked = api.engine.asked.length;
  expect(await decide(waiting, 'approver', { idempotencyKey })).toEqual(first);
  expect(api.engine.asked).toHaveLength(asked);
  for (const change of [{ decision: 'REJECT' }, { comment: 'x' }, { promotion: 'prod/4711' }]) {
    expect(await decide(waiting, 'approver', { idempotencyKey, ...change })).toMatchObject({
      __typename: 'IdempotencyConflict',
    });
  }
  // Another principal's keys are their own.
  expect(await decide(waiting, 'admin', { idempotencyKey })).toMatchObject({ state: 'APPROVED' });
});

test('one key sent many times at once, to two processes, counts once', async () => {
  const second = await startTestApi({ beside: api });
  try {
    const waiting = await wait();
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, n) =>
        decide(waiting, 'approver', { idempotencyKey: 'race' }, n % 2 === 0 ? api : second),
      ),
    );
    for (const answer of answers) {
      expect(answer).toMatchObject({ __typename: 'ApprovalRequest', decisions: [{}] });
    }
    expect(await eventsOf(waiting.promotion, 'approval.recorded')).toHaveLength(1);
    expect(await decide(waiting, 'approver', {}, second)).toMatchObject({
      code: 'approval-duplicate',
    });
  } finally {
    await second.stop();
  }
});

test('while nobody answers the decision stays asked, and the same key counts later', async () => {
  const waiting = await wait();
  const idempotencyKey = 'later';
  for (const code of ['engine-unreachable', 'approval-unanswered'] as const) {
    api.engine.lose(code);
    expect(await decide(waiting, 'approver', { idempotencyKey })).toMatchObject({
      __typename: 'EngineUnavailable',
      code,
    });
  }
  const asked = await api.ask(
    `{ promotion(id: "${waiting.promotion}") { approval { decisions { recorded refusal { code } } } } }`,
  );
  expect(asked.data?.promotion.approval.decisions).toEqual([{ recorded: false, refusal: null }]);
  api.engine.lose(undefined);
  expect(await decide(waiting, 'approver', { idempotencyKey })).toMatchObject({
    __typename: 'ApprovalRequest',
    decisions: [{ recorded: true }],
  });
});

test('a refused key is asked again, for its time may have come', async () => {
  const waiting = await wait();
  api.engine.run({ tenantId: TENANT, promotionId: waiting.promotion });
  const idempotencyKey = 'early';
  expect(await decide(waiting, 'approver', { idempotencyKey })).toMatchObject({
    __typename: 'ApprovalRefused',
    code: 'approval-not-open',
  });
  const again = await askForApproval(api, waiting.promotion, release, 2);
  expect(await decide(again, 'approver', { idempotencyKey })).toMatchObject({
    __typename: 'IdempotencyConflict',
  });
});

test('what has ended, has not begun or is not there is said so', async () => {
  const ended = await wait();
  api.engine.close({ tenantId: TENANT, promotionId: ended.promotion });
  expect(await decide(ended)).toMatchObject({
    __typename: 'StateConflict',
    code: 'promotion-ended',
  });
  const reason = { code: 'approval-deadline-exceeded', message: 'Nobody came in time.' };
  await withTenant(api.workerPool, TENANT, (tx) =>
    setPromotionState(tx, { promotionId: ended.promotion, state: 'denied', reason }),
  );
  const asked = api.engine.asked.length;
  expect(await decide(ended, 'admin')).toMatchObject({
    code: 'promotion-ended',
    message: expect.stringContaining('(denied, approval-deadline-exceeded)'),
  });
  expect(api.engine.asked).toHaveLength(asked);
  const fresh = { ...ended, promotion: await addPromotion(api, release) };
  expect(await decide(fresh)).toMatchObject({
    __typename: 'StateConflict',
    code: 'promotion-not-started',
  });
  expect(await decide({ ...ended, promotion: 'prod/4711' })).toMatchObject({
    __typename: 'NotFound',
    code: 'promotion-unknown',
  });
  const foreign = await api.ask(
    DECIDE,
    { input: { ...ended, decision: 'APPROVE', idempotencyKey: 'foreign' } },
    tokenOf('admin', OTHER_TENANT),
  );
  expect(foreign.data?.decideApproval).toMatchObject({ __typename: 'NotFound' });
});

test('the inbox shows what waits for me, or all of it, with a position to go on from', async () => {
  const mine = await wait();
  const own = await wait({ requestedBy: 'approver' });
  const said = await wait();
  await decide(said, 'approver');
  const query = `query ($all: Boolean) { approvals(first: 100, all: $all) {
    position edges { node { promotion { id } blockedForMe { code } } }
  } }`;
  const read = async (by: string, all?: boolean) => {
    const { data, errors } = await api.ask(query, { all }, tokenOf(by));
    expect(errors).toEqual([]);
    return new Map<string, string | null>(
      data?.approvals.edges.map(({ node }: Json) => [
        node.promotion.id,
        node.blockedForMe?.code ?? null,
      ]),
    );
  };
  const forMe = await read('approver');
  expect(forMe.get(mine.promotion)).toBeNull();
  expect([own, said].map(({ promotion }) => forMe.has(promotion))).toEqual([false, false]);
  expect([...forMe.values()].every((code) => code === null)).toBe(true);
  const all = await read('approver', true);
  expect([mine, own, said].map(({ promotion }) => all.get(promotion))).toEqual([
    null,
    'approver-is-requester',
    'approval-duplicate',
  ]);
  expect((await read('viewer')).size).toBe(0);
  expect((await read('robot')).size).toBe(0);
  const seen = await read('viewer', true);
  expect(seen.get(mine.promotion)).toBe('approver-not-eligible');
});

test('each round shows the plan that it asked for, and what was said to it', async () => {
  const first = await wait();
  await decide(first, 'approver', { comment: 'to the first plan' });
  const second = await askForApproval(api, first.promotion, release, 2);
  await decide(second, 'admin');
  const { data, errors } = await api.ask(
    `query ($id: ID!) { promotion(id: $id) {
      approval { round }
      approvals { round planDigest decisions { principal } difference { targets { planDigest desired { release } } } }
      difference { targets { planDigest } }
    } }`,
    { id: first.promotion },
    tokenOf('viewer'),
  );
  expect(errors).toEqual([]);
  const { approval, approvals, difference } = data?.promotion ?? {};
  expect(approval).toEqual({ round: 2 });
  expect(approvals).toMatchObject([
    { round: 1, planDigest: first.plan, decisions: [{ principal: 'approver' }] },
    { round: 2, planDigest: second.plan, decisions: [{ principal: 'admin' }] },
  ]);
  expect(approvals[1].difference.targets[0].planDigest).toBe(difference.targets[0].planDigest);
  expect(approvals[0].difference.targets[0].planDigest).not.toBe(difference.targets[0].planDigest);
});
