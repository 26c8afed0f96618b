import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { JsonValue, StepTemplate } from '@sluice/domain';
import { createLogger } from '@sluice/observability';
import {
  findDecision,
  getRollout,
  insertSteer,
  listMemberKeys,
  listStatements,
  setDeploymentState,
  upsertDeployment,
  withTenant,
} from '@sluice/persistence';
import { digestOf } from '@sluice/pure';
import type { RolloutPosition, SteerRolloutInput } from '@sluice/temporal-contract';
import type { GateInput } from '../gate/gate-input.ts';
import { createFrozenCourses } from '../step/frozen-course.ts';
import { createFakeScope } from '../testing/fake-scope.ts';
import { createInMemorySigner } from '../testing/in-memory-signer.ts';
import { type CourseScene, createCourseScene, SCENE_TENANT } from '../testing/index.ts';
import { createRolloutActivities, createStageGateActivities } from './rollout.activities.ts';

let room: CourseScene;
beforeAll(async () => {
  room = await createCourseScene({
    targets: ['dev-1', 'dev-2', 'dev-3', 'dev-4'],
    labels: { 'dev-1': { zone: 'a' }, 'dev-2': { zone: 'b' } },
  });
});
afterAll(() => room.close());

const read = <T>(work: Parameters<typeof withTenant<T>>[2]): Promise<T> =>
  withTenant(room.scene.worker, SCENE_TENANT, work);
const parts = () => ({
  pool: room.scene.worker,
  evidence: room.evidence,
  signer: createInMemorySigner(),
  logger: createLogger({ service: 'test', level: 'silent' }),
  scope: () => createFakeScope(),
});

const steps = (inputs: Readonly<Record<string, JsonValue>>): readonly StepTemplate[] => [
  { id: 'plan', type: 'plan@1' },
  { id: 'roll', type: 'rollout@1', needs: ['plan'], inputs },
];

async function eventsOf(promotionId: string): Promise<readonly string[]> {
  const rows = await room.scene.database.query<{ type: string; data: Record<string, unknown> }>(
    `select type, data from sluice.events where promotion_id = '${promotionId}' and type like 'rollout.%' order by arrival`,
  );
  return rows.map(({ type, data }) =>
    [type, data['stage'], data['phase'], data['state'], data['reason'], data['action']]
      .filter((part) => part !== undefined)
      .join(' '),
  );
}

test('a rollout is laid out once, its members in the order of exposure', async () => {
  const course = await room.begin({ steps: steps({ strategy: 'waves', soakSeconds: 5 }) });
  const { promotion } = course;
  const activities = room.activities([]);
  const expanded = await activities.expandMatrix({ promotion, stepId: 'roll' });
  expect(expanded).toMatchObject({
    count: 4,
    isOverTargets: true,
    keys: ['dev-1', 'dev-2', 'dev-3', 'dev-4'],
    exposed: 0,
    rollout: {
      strategy: 'waves',
      router: null,
      stages: [
        { from: 0, to: 1, gate: false, soakSeconds: 5 },
        { from: 1, to: 2, gate: true },
        { from: 2, to: 4, gate: true },
      ],
    },
  });
  expect(expanded.rollout).not.toHaveProperty('members');
  expect(await activities.expandMatrix({ promotion, stepId: 'roll' })).toEqual(expanded);
  const again = await activities.expandMatrix({ promotion, stepId: 'roll', newestRound: true });
  expect(again).toEqual({ ...expanded, round: 1 });
  const { promotionId } = promotion;
  const planDigest = digestOf('plan');
  await room.scene.database.query(
    `insert into sluice.plans (tenant_id, plan_digest, body) values ('${SCENE_TENANT}', '${planDigest}', '{}')`,
  );
  await read((tx) => upsertDeployment(tx, { promotionId, target: 'dev-2', planDigest }));
  await read((tx) => setDeploymentState(tx, { promotionId, target: 'dev-2', state: 'dispatched' }));
  const begun = await activities.expandMatrix({ promotion, stepId: 'roll' });
  expect(begun).toEqual({ ...expanded, exposed: 2 });
  const rollout = await read((tx) => getRollout(tx, { promotionId, stepId: 'roll', round: 1 }));
  expect(rollout).toMatchObject({
    state: 'running',
    inputs: { strategy: 'waves', soakSeconds: 5 },
    layout: { members: ['dev-1', 'dev-2', 'dev-3', 'dev-4'] },
  });
  expect(await eventsOf(promotionId)).toEqual(['rollout.laid-out']);
});

test.each<[string, Readonly<Record<string, JsonValue>>, RegExp]>([
  ['a router that the environment has not', { strategy: 'canary', router: 'edge' }, /no edge/],
  [
    'waves that do not reach all',
    { strategy: 'waves', waves: [{ targets: 1 }, { targets: 3 }] },
    /waves\[1\]\.targets: The last wave has 3 of 4/,
  ],
])('%s is refused at once', async (_name, inputs, message) => {
  const { promotion } = await room.begin({ steps: steps(inputs) });
  await expect(
    room.activities([]).expandMatrix({ promotion, stepId: 'roll' }),
  ).rejects.toMatchObject({
    type: 'RolloutInvalid',
    nonRetryable: true,
    message: expect.stringMatching(message),
  });
  const { promotionId } = promotion;
  expect(
    await read((tx) =>
      listMemberKeys(tx, { promotionId, stepId: 'roll', round: 1 }, { from: 0, to: 10 }),
    ),
  ).toEqual([]);
});

test('each move is recorded once, with an event; while it is paused the promotion waits', async () => {
  const { promotion } = await room.begin({ steps: steps({ strategy: 'waves' }) });
  const { promotionId } = promotion;
  await room.activities([]).expandMatrix({ promotion, stepId: 'roll' });
  const { recordRollout } = createRolloutActivities(parts());
  const ref = { promotion, stepId: 'roll', round: 1 };
  const reason = { code: 'rollout-paused', message: 'Wait.' };
  const move = (at: Partial<RolloutPosition>, steered?: SteerRolloutInput): Promise<void> =>
    recordRollout({
      ...ref,
      at: { state: 'running', stage: 0, phase: 'deploy', reason: null, ...at },
      ...(steered === undefined ? {} : { steered }),
    });
  const stateOf = async (): Promise<string> => {
    const rows = await room.scene.database.query<{ state: string }>(
      `select state from sluice.promotions where promotion_id = '${promotionId}'`,
    );
    return rows[0]?.state ?? '';
  };
  await move({});
  await move({});
  const steered: SteerRolloutInput = {
    steerId: `mia/${promotionId}`,
    stepId: 'roll',
    action: 'pause',
    principalId: 'release-manager',
    personId: 'release-manager',
    role: 'release-manager',
    reason: 'Wait.',
  };
  await withTenant(room.scene.app, SCENE_TENANT, (tx) =>
    insertSteer(tx, { ...steered, promotionId, comment: steered.reason }),
  );
  await move({ state: 'paused', reason }, steered);
  await move({ state: 'paused', reason }, steered);
  expect(await stateOf()).toBe('waiting');
  await move({});
  expect(await stateOf()).toBe('running');
  await move({ stage: 1, phase: 'soak' });
  // A run after a reset begins anew; the record knows better.
  await move({ stage: 0 });
  await move({ state: 'failed', stage: 0, phase: 'held', reason: { ...reason, code: 'bad' } });
  expect(await eventsOf(promotionId)).toEqual([
    'rollout.laid-out',
    'rollout.moved 0 deploy',
    'rollout.steered 0 pause',
    'rollout.paused 0 deploy rollout-paused',
    'rollout.resumed 0 deploy',
    'rollout.moved 1 soak',
    'rollout.ended 1 soak failed bad',
  ]);
});

test('before a stage the policy is asked anew, and its decision stands under a name of its own', async () => {
  const asked: GateInput[] = [];
  const { promotion } = await room.begin({ steps: steps({ strategy: 'waves' }) });
  const { promotionId } = promotion;
  await room.activities([]).expandMatrix({ promotion, stepId: 'roll' });
  const { gateStage } = createStageGateActivities(
    {
      ...parts(),
      decisions: {
        evaluate: async ({ policyDigest, input }) => {
          asked.push(input as unknown as GateInput);
          const isLast = (input as unknown as GateInput).stage?.index === 2;
          return {
            decision: isLast ? 'deny' : 'allow',
            reasonCodes: isLast ? ['too-far'] : [],
            policyDigest,
            inputDigest: digestOf(input),
            determinismHash: digestOf({ policyDigest, input }),
            evaluatedAt: String(input['evaluatedAt']),
            trace: [],
          };
        },
      },
    },
    createFrozenCourses(),
  );
  const ask = (stage: number) =>
    gateStage({
      promotion,
      stepId: 'roll',
      round: 1,
      stage,
      scheduledAt: '2026-11-22T10:00:00.000Z',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    });
  expect(await ask(1)).toMatchObject({ outcome: 'succeeded' });
  expect(await ask(1)).toMatchObject({ outcome: 'succeeded' });
  expect(await ask(2)).toMatchObject({ outcome: 'denied', reason: { code: 'too-far' } });
  expect(asked.map(({ stage }) => stage)).toEqual([
    {
      step: 'roll',
      index: 1,
      name: 'wave-2',
      strategy: 'waves',
      reach: 2,
      targets: 4,
      permille: null,
    },
    {
      step: 'roll',
      index: 2,
      name: 'wave-3',
      strategy: 'waves',
      reach: 4,
      targets: 4,
      permille: null,
    },
  ]);
  const decision = await read((tx) => findDecision(tx, promotionId, 'roll/stage-1'));
  expect(decision?.body.decision).toBe('allow');
  const statements = await read((tx) => listStatements(tx, promotionId));
  expect(statements.map(({ stepId }) => stepId)).toEqual(['roll/stage-1', 'roll/stage-2']);
  await expect(ask(7)).rejects.toMatchObject({ type: 'NotFound' });
});
