import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { ANALYSIS_MEDIA_TYPE, ANALYSIS_SCHEMA } from '@sluice/domain';
import { insertEvent, insertEvidence, setPromotionState, withTenant } from '@sluice/persistence';
import { callMutation } from '../testing/call-mutation.ts';
import { addRollout, addRouter, beginRollout, fillRollout } from '../testing/rollout-scene.ts';
import { addPromotion, addRelease } from '../testing/scene.ts';
import { type Json, startTestApi, TENANT, type TestApi, tokenOf } from '../testing/test-api.ts';

let api: TestApi;
let version = 0;

beforeAll(async () => {
  api = await startTestApi();
});

afterEach(() => api.engine.lose(undefined));

afterAll(async () => {
  await api?.stop();
});

function freshRelease(): Promise<string> {
  version += 1;
  return addRelease(api, `1.0.${version}`);
}

const ROLLOUTS = `query ($id: ID!) { promotion(id: $id) { rollouts {
  id step round strategy state stage phase reason { code } endedAt pausedUntil promotion { id }
  router { name kind backend environment { name } agent { state }
    route { digest canaryPermille promotion match stable { name port } canary { name address } } }
  stages { index name state maxParallel canaryPermille soakSeconds analysed gated pauses
    memberCounts { total succeeded pending } targets { name state reason { code } }
    analysis { outcome score reason { code } documentDigest } }
  routeChanges { router stage canaryPermille state failure { code } settledAt }
  steers { principal action comment recorded refusal { code } stage }
} } }`;

async function rolloutsOf(id: string): Promise<readonly Json[]> {
  const { data, errors } = await api.ask(ROLLOUTS, { id }, tokenOf('viewer'));
  expect(errors).toEqual([]);
  return data?.['promotion'].rollouts;
}

const steer = (promotion: string, action: string, key: string, more: object = {}) =>
  callMutation(
    api,
    'steerRollout',
    { promotion, action, comment: 'because', idempotencyKey: key, ...more },
    tokenOf('release-manager'),
  );

test('a rollout shows its stages, its targets, what moved requests, and who did what', async () => {
  await addRouter(api, 'dev-proxy', 'dev');
  const promotion = await addPromotion(api, await freshRelease());
  expect(await rolloutsOf(promotion)).toEqual([]);
  await fillRollout(api, promotion, { router: 'dev-proxy' });
  const stage = { maxParallel: 1, soakSeconds: 60, analysed: true, pauses: false };
  expect(await rolloutsOf(promotion)).toEqual([
    {
      id: `${promotion}#1/rollout`,
      step: 'rollout',
      round: 1,
      strategy: 'CANARY',
      state: 'RUNNING',
      stage: 0,
      phase: 'GATE',
      reason: null,
      endedAt: null,
      pausedUntil: null,
      promotion: { id: promotion },
      router: {
        name: 'dev-proxy',
        kind: 'HAPROXY',
        backend: 'web',
        environment: { name: 'dev' },
        agent: null,
        route: {
          digest: expect.stringMatching(/^sha256:/),
          canaryPermille: 100,
          promotion,
          match: [],
          stable: [{ name: 'old', port: 8080 }],
          canary: [{ name: 'new', address: '127.0.0.1' }],
        },
      },
      stages: [
        {
          ...stage,
          index: 0,
          name: 'few',
          state: 'RUNNING',
          canaryPermille: 100,
          gated: false,
          memberCounts: { total: 1, succeeded: 1, pending: 0 },
          targets: [{ name: 'one', state: 'SUCCEEDED', reason: null }],
          analysis: {
            outcome: 'PASS',
            score: 100,
            reason: null,
            documentDigest: expect.stringMatching(/^sha256:/),
          },
        },
        {
          ...stage,
          index: 1,
          name: 'all',
          state: 'PENDING',
          canaryPermille: 1000,
          gated: true,
          memberCounts: { total: 1, succeeded: 0, pending: 1 },
          targets: [{ name: 'two', state: 'PENDING', reason: null }],
          analysis: null,
        },
      ],
      routeChanges: [
        {
          router: 'dev-proxy',
          stage: 0,
          canaryPermille: 100,
          state: 'DISPATCHED',
          failure: null,
          settledAt: null,
        },
      ],
      steers: [
        {
          principal: 'release-manager',
          action: 'PAUSE',
          comment: 'a look',
          recorded: true,
          refusal: null,
          stage: 0,
        },
      ],
    },
  ]);
  const { data } = await api.ask(
    '{ routers { name } environments { name routers { name } } targets { name } target(name: "dev-proxy") { name } }',
  );
  expect(data?.['routers']).toEqual([{ name: 'dev-proxy' }]);
  expect(data?.['environments'][0]).toEqual({ name: 'dev', routers: [{ name: 'dev-proxy' }] });
  expect(data?.['target']).toBeNull();
  expect(data?.['targets']).not.toContainEqual({ name: 'dev-proxy' });
});

test('who steers names no step where only one rolls out, and sees the rollout as it is then', async () => {
  const promotion = await addRollout(api, await freshRelease());
  const query = `mutation ($input: SteerRolloutInput!) { steerRollout(input: $input) {
    ... on Rollout { id state reason { code } pausedUntil changedAt } } }`;
  const input = { promotion, action: 'PAUSE', idempotencyKey: 'no-step' };
  const { data } = await api.ask(query, { input });
  const { changedAt, ...paused } = data?.['steerRollout'] ?? {};
  expect(paused).toEqual({
    id: `${promotion}#1/roll`,
    state: 'PAUSED',
    reason: { code: 'rollout-pause' },
    pausedUntil: new Date(Date.parse(changedAt) + 3_600_000).toISOString(),
  });
  expect((await steer(promotion, 'RESUME', 'go-on')).data?.['steerRollout'].__typename).toBe(
    'Rollout',
  );
  const [shown] = await rolloutsOf(promotion);
  expect(shown).toMatchObject({
    state: 'RUNNING',
    pausedUntil: null,
    steers: [
      { principal: 'admin', action: 'PAUSE', comment: '', stage: 0 },
      { principal: 'release-manager', action: 'RESUME', comment: 'because', stage: 0 },
    ],
  });
});

test('a refusal is kept, shown and recorded, and the same key asks again', async () => {
  const promotion = await addRollout(api, await freshRelease());
  const refused = await steer(promotion, 'RESUME', 'too-early');
  expect(refused.data?.['steerRollout']).toMatchObject({
    __typename: 'SteerRefused',
    code: 'rollout-not-paused',
  });
  expect((await rolloutsOf(promotion))[0].steers).toMatchObject([
    { recorded: false, refusal: { code: 'rollout-not-paused' }, stage: null },
  ]);
  await steer(promotion, 'PAUSE', 'hold');
  expect((await steer(promotion, 'RESUME', 'too-early')).data?.['steerRollout'].__typename).toBe(
    'Rollout',
  );
  const events = await api.database.query<{ type: string; data: Json }>(
    `select type, data from sluice.events where subject = $1 and type like 'rollout.steer-%' order by arrival`,
    [`promotion:${promotion}`],
  );
  expect(events.map(({ type, data }) => [type, data.action])).toEqual([
    ['rollout.steer-requested', 'resume'],
    ['rollout.steer-refused', 'resume'],
    ['rollout.steer-requested', 'pause'],
  ]);
});

test('nobody answering is told; asking again under the same key counts once', async () => {
  const promotion = await addRollout(api, await freshRelease());
  api.engine.lose('approval-unanswered');
  expect((await steer(promotion, 'PAUSE', 'again')).data?.['steerRollout']).toMatchObject({
    __typename: 'EngineUnavailable',
    code: 'steer-unanswered',
  });
  api.engine.lose(undefined);
  for (let n = 0; n < 2; n += 1) {
    const answer = await steer(promotion, 'PAUSE', 'again');
    expect(answer.data?.['steerRollout'].__typename).toBe('Rollout');
  }
  expect((await rolloutsOf(promotion))[0].steers).toHaveLength(1);
});

test('which step is meant is asked where several roll out; where none does, that is said', async () => {
  const none = await addPromotion(api, await freshRelease());
  expect((await steer(none, 'PAUSE', 'none')).data?.['steerRollout']).toMatchObject({
    __typename: 'NotFound',
    code: 'rollout-unknown',
  });
  const promotion = await addRollout(api, await freshRelease());
  const key = { promotionId: promotion, stepId: 'second', round: 1 };
  await withTenant(api.workerPool, TENANT, (tx) => beginRollout(tx, key, ['three', 'four']));
  expect((await steer(promotion, 'PAUSE', 'which')).data?.['steerRollout']).toMatchObject({
    __typename: 'InvalidInput',
    field: 'step',
    message: 'step: several roll out (roll, second); name one.',
  });
  const named = await steer(promotion, 'PAUSE', 'which', { step: 'roll' });
  expect(named.data?.['steerRollout'].__typename).toBe('Rollout');
});

test('a run that is closed, or not begun, says so', async () => {
  const closed = await addRollout(api, await freshRelease());
  api.engine.close({ tenantId: TENANT, promotionId: closed });
  expect((await steer(closed, 'PAUSE', 'closed')).data?.['steerRollout']).toMatchObject({
    __typename: 'StateConflict',
    code: 'promotion-ended',
  });
  const promotionId = await addPromotion(api, await freshRelease());
  await withTenant(api.workerPool, TENANT, (tx) =>
    beginRollout(tx, { promotionId, stepId: 'roll', round: 1 }, ['one', 'two']),
  );
  expect((await steer(promotionId, 'PAUSE', 'early')).data?.['steerRollout']).toMatchObject({
    __typename: 'StateConflict',
    code: 'promotion-not-started',
  });
});

test('a rollout that its promotion left behind is shown as cancelled with it', async () => {
  const promotion = await addRollout(api, await freshRelease());
  await withTenant(api.workerPool, TENANT, async (tx) => {
    await setPromotionState(tx, { promotionId: promotion, state: 'cancelled' });
    await insertEvent(tx, {
      type: 'promotion.state-changed',
      actor: 'system:worker',
      subject: `promotion:${promotion}`,
      promotionId: promotion,
      data: { state: 'cancelled' },
      traceId: null,
    });
  });
  expect((await rolloutsOf(promotion))[0]).toMatchObject({
    state: 'CANCELLED',
    endedAt: expect.any(String),
    stages: [{ state: 'FAILED' }, { state: 'SKIPPED' }],
  });
});

test('the document of an analysis is read by its digest, and nothing else is', async () => {
  const document = { schema: ANALYSIS_SCHEMA, stepId: 'deploy' };
  const { digest, size } = await api.evidence.put(JSON.stringify(document), { maxBytes: 1000 });
  const other = await api.evidence.put('{}', { maxBytes: 1000 });
  const gone = `sha256:${'7'.repeat(64)}`;
  await withTenant(api.workerPool, TENANT, async (tx) => {
    await insertEvidence(tx, { digest, size, mediaType: ANALYSIS_MEDIA_TYPE });
    await insertEvidence(tx, { digest: gone, size, mediaType: ANALYSIS_MEDIA_TYPE });
    await insertEvidence(tx, { ...other, mediaType: 'application/json' });
  });
  const read = async (one: string) => {
    const query = `{ analysisDocument(digest: "${one}") { digest content problem { code } } }`;
    return (await api.ask(query, {}, tokenOf('viewer'))).data?.['analysisDocument'];
  };
  expect(await read(digest)).toEqual({ digest, content: document, problem: null });
  expect(await read(gone)).toMatchObject({
    content: null,
    problem: { code: 'analysis-unavailable' },
  });
  expect(await read(other.digest)).toBeNull();
  expect(await read(`sha256:${'8'.repeat(64)}`)).toBeNull();
});
