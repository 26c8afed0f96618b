import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { enqueueOutbox, setPacketDigest, withTenant } from '@sluice/persistence';
import { digestOfBytes } from '@sluice/pure';
import { readHistoryFile } from '@sluice/temporal-client';
import { addProblem } from '../testing/history-scene.ts';
import { addPromotion, addRelease } from '../testing/scene.ts';
import { type Json, startTestApi, TENANT, type TestApi, tokenOf } from '../testing/test-api.ts';

const RECORDED = new URL(
  '../../../../test/replay/histories/promotion-succeeded-approved.json',
  import.meta.url,
);

let api: TestApi;
let release: string;

beforeAll(async () => {
  api = await startTestApi();
  release = await addRelease(api, '1.0.0');
}, 60_000);

afterAll(async () => {
  await api?.stop();
});

beforeEach(() => api.engine.lose(undefined));

/** A promotion whose workflow has the history of one that was approved and has succeeded. */
async function running(): Promise<string> {
  const promotionId = await addPromotion(api, release);
  const promotion = { tenantId: TENANT, promotionId };
  api.engine.run(promotion);
  api.engine.recall(promotion, (await readHistoryFile(await readFile(RECORDED))).history);
  return promotionId;
}

async function seal(promotionId: string): Promise<void> {
  await withTenant(api.workerPool, TENANT, (tx) =>
    setPacketDigest(tx, promotionId, digestOfBytes(promotionId)),
  );
}

const PREVIEW = `query ($promotion: ID!, $event: Int) { resetPreview(promotion: $promotion, event: $event) {
  __typename
  ... on ResetPreview {
    promotion { id } event lastEvent possibleEvents
    runsAgain { event activity step target consequence } warnings { code message }
  }
  ... on Refusal { code message }
  ... on InvalidInput { field }
  ... on NotPermitted { permission }
} }`;

async function preview(promotion: string, event?: number, by = 'release-manager'): Promise<Json> {
  const { data, errors } = await api.ask(PREVIEW, { promotion, event }, tokenOf(by));
  expect(errors).toEqual([]);
  return data?.resetPreview;
}

let keys = 0;

async function call(name: string, input: Record<string, unknown>): Promise<Json> {
  keys += 1;
  const type = `${name[0]?.toUpperCase()}${name.slice(1)}Input`;
  const query = `mutation ($input: ${type}!) { ${name}(input: $input) {
    __typename ... on Promotion { id state } ... on Refusal { code message } } }`;
  const whole = { reason: 'the build was wrong', idempotencyKey: `key-${keys}`, ...input };
  const { data, errors } = await api.ask(query, { input: whole }, tokenOf('release-manager'));
  expect(errors).toEqual([]);
  return data?.[name];
}

const outboxOf = (kind: string, workflowId: string): Promise<readonly Json[]> =>
  api.database.query(
    `select body from sluice.outbox where kind = $1 and body ->> 'workflowId' = $2 order by outbox_id`,
    [kind, workflowId],
  );

const dataOf = async (promotion: string, type: string): Promise<readonly Json[]> =>
  (
    await api.database.query<{ data: Json }>(
      'select data from sluice.events where promotion_id = $1 and type = $2 order by arrival',
      [promotion, type],
    )
  ).map(({ data }) => data);

test('a preview says where it goes on, what runs again and what stands, and changes nothing', async () => {
  const promotion = await running();
  const seen = await preview(promotion, 30);
  expect(seen).toMatchObject({
    __typename: 'ResetPreview',
    promotion: { id: promotion },
    event: 25,
    possibleEvents: expect.arrayContaining([4, 11, 19, 25, 31]),
  });
  expect(seen.runsAgain[0]).toMatchObject({ event: 26, activity: 'executeStep', step: 'gate' });
  expect(seen.warnings.map(({ code }: Json) => code)).toContain('decisions-stand');
  expect(await preview(promotion)).toMatchObject({ event: seen.possibleEvents.at(-1) });
  expect(await outboxOf('reset-workflow', `promotion/${TENANT}/${promotion}`)).toEqual([]);
});

test('a preview says no by a member of its union', async () => {
  const promotion = await running();
  const cases: readonly (readonly [Json, Json])[] = [
    [await preview('dev/4711'), { __typename: 'NotFound', code: 'promotion-unknown' }],
    [await preview('dev'), { __typename: 'InvalidInput', field: 'promotion' }],
    [await preview(promotion, 0), { __typename: 'InvalidInput', field: 'event' }],
    [await preview(promotion, 3), { __typename: 'StateConflict', code: 'reset-impossible' }],
    [
      await preview(promotion, 5, 'approver'),
      { __typename: 'NotPermitted', permission: 'promotion.reset' },
    ],
    [
      await preview(await addPromotion(api, release)),
      { __typename: 'StateConflict', code: 'promotion-not-started' },
    ],
  ];
  for (const [said, expected] of cases) expect(said).toMatchObject(expected);
  api.engine.lose('engine-unreachable');
  expect(await preview(promotion)).toMatchObject({
    __typename: 'EngineUnavailable',
    code: 'engine-unreachable',
  });
});

test('a reset is a message to the engine, with its event; its key gives the first answer for ever', async () => {
  const promotion = await running();
  const input = { promotion, event: 25, idempotencyKey: 'reset it' };
  expect(await call('resetPromotion', input)).toMatchObject({ id: promotion });
  const [message, ...more] = await outboxOf('reset-workflow', `promotion/${TENANT}/${promotion}`);
  expect(more).toEqual([]);
  expect(message.body).toEqual({
    workflowId: `promotion/${TENANT}/${promotion}`,
    runId: `run-of-${promotion.replace('/', '-')}`,
    eventId: 25,
    reason: 'release-manager: the build was wrong',
    requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
  expect(await dataOf(promotion, 'promotion.reset-requested')).toMatchObject([
    { event: 25, reason: 'the build was wrong' },
  ]);
  // Neither the engine's absence nor a seal takes the first answer back.
  api.engine.lose('engine-unreachable');
  await seal(promotion);
  expect(await call('resetPromotion', input)).toMatchObject({ id: promotion });
  expect(await call('resetPromotion', { ...input, event: 19 })).toMatchObject({
    code: 'idempotency-conflict',
  });
  expect(await outboxOf('reset-workflow', `promotion/${TENANT}/${promotion}`)).toHaveLength(1);
});

test('a reset is refused once sealed, before a start, and at an event that no preview gave', async () => {
  const promotion = await running();
  for (const event of [3, 24, 9999]) {
    expect(await call('resetPromotion', { promotion, event })).toMatchObject({
      __typename: 'StateConflict',
      code: 'reset-impossible',
    });
  }
  const unstarted = await addPromotion(api, release);
  expect(await call('resetPromotion', { promotion: unstarted, event: 4 })).toMatchObject({
    code: 'promotion-not-started',
  });
  const settlement = { workflowId: `settlement/${TENANT}/${promotion}`, workflowType: 's' };
  const start = { ...settlement, taskQueue: 'q', input: {}, searchAttributes: { tenant: TENANT } };
  await withTenant(api.workerPool, TENANT, (tx) =>
    enqueueOutbox(tx, { kind: 'start-workflow', body: start }),
  );
  for (const said of [
    await preview(promotion),
    await call('resetPromotion', { promotion, event: 25 }),
  ]) {
    expect(said).toMatchObject({ __typename: 'StateConflict', code: 'promotion-settling' });
  }
  await seal(promotion);
  for (const said of [
    await preview(promotion),
    await call('resetPromotion', { promotion, event: 25 }),
  ]) {
    expect(said).toMatchObject({ __typename: 'StateConflict', code: 'promotion-sealed' });
  }
  expect(await outboxOf('reset-workflow', `promotion/${TENANT}/${promotion}`)).toEqual([]);
});

const PROBLEM = `query ($id: ID!) { promotion(id: $id) {
  problem { code message cause attempt event activity buildId since wayOut } } }`;

test('a problem is shown with its ways out, until it is sealed', async () => {
  const promotion = await running();
  const problemOf = async () =>
    (await api.ask(PROBLEM, { id: promotion }, tokenOf('viewer'))).data?.promotion.problem;
  expect(await problemOf()).toBeNull();
  await addProblem(api, promotion, 'nondeterminism');
  expect(await problemOf()).toMatchObject({
    code: 'NONDETERMINISM',
    cause: 'the scanner has no database',
    attempt: 7,
    event: 20,
    activity: null,
    buildId: 'build-7',
    wayOut: expect.arrayContaining([
      expect.stringContaining(`sluice promotion reset ${promotion}`),
      expect.stringContaining('sluice rollback dev'),
    ]),
  });
  // What settles it is what people wait for.
  await addProblem(api, promotion, 'activity-failing', { settled: true });
  expect(await problemOf()).toMatchObject({ code: 'ACTIVITY_FAILING', activity: 'executeStep' });
  await seal(promotion);
  expect(await problemOf()).toBeNull();
});

test('what fails is tried at once; what waits for something else has nothing to resume', async () => {
  const promotion = await running();
  for (const [code, message] of [
    ['nondeterminism', 'look at its problem'],
    ['no-worker', 'look at its problem'],
    ['workflow-task-failing', 'tries it again within seconds once fixed code runs'],
  ] as const) {
    await addProblem(api, promotion, code);
    expect(await call('resumePromotion', { promotion })).toMatchObject({
      __typename: 'StateConflict',
      code: 'nothing-to-resume',
      message: expect.stringContaining(message),
    });
  }
  const workflowId = await addProblem(api, promotion, 'activity-failing');
  expect(await call('resumePromotion', { promotion })).toMatchObject({ id: promotion });
  expect(await outboxOf('retry-activity', workflowId)).toEqual([{ body: { workflowId } }]);
  expect(await dataOf(promotion, 'promotion.resume-requested')).toEqual([
    { reason: 'the build was wrong', problems: ['activity-failing'] },
  ]);
});
