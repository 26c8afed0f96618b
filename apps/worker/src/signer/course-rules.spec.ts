import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SCENE_TENANT } from '@sluice/activities/testing';
import {
  type ApprovalRule,
  COURSE_SCHEMA,
  type Course,
  type CourseStep,
  NOTHING_RELEASE,
} from '@sluice/domain';
import {
  bindRelease,
  findPlanSet,
  getRelease,
  insertDecision,
  insertRelease,
  listCommands,
} from '@sluice/persistence';
import { digestOf, NOTHING_DIGEST, planSetDigest } from '@sluice/pure';
import type { FrozenRules } from '@sluice/temporal-contract';
import { findCourseSuccessProblem } from './course-success.ts';
import {
  createSignerScene,
  decisionOf,
  type Prepared,
  type SignerScene,
} from './testing/signer-scene.ts';

const RULE: ApprovalRule = { count: 1, roles: ['approver', 'admin'], deadlineSeconds: 60 };

let it: SignerScene;
let release: string;
beforeAll(async () => {
  it = await createSignerScene();
  release = await it.scene.addRelease('1.0.0');
  await it.asApi((tx) => insertRelease(tx, { release: NOTHING_RELEASE, createdBy: 'sluice' }));
});
afterAll(() => it.scene.database.drop());

function step(id: string, type: CourseStep['type'], needs: string[], more = {}): CourseStep {
  const retry = { attempts: 1, backoffSeconds: 1, factor: 2, maxBackoffSeconds: 1, terminal: [] };
  return { id, type, needs, inputs: {}, timeoutSeconds: 60, retry, ...more };
}

function courseOf(...steps: readonly CourseStep[]): Course {
  return { schema: COURSE_SCHEMA, name: 'team', version: 1, failFast: true, steps };
}

/** Two regions, each with its own gate; people are asked before the second. */
const REGIONS = courseOf(
  step('gate', 'gate@1', []),
  step('plan', 'plan@1', []),
  step('eu', 'deploy@1', ['gate', 'plan']),
  step('soak', 'soak@1', ['eu']),
  step('approve', 'approval@1', ['soak']),
  step('gate-us', 'gate@1', ['soak']),
  step('us', 'deploy@1', ['approve', 'gate-us']),
);

const prepare = (pipeline: Course, rules: Partial<FrozenRules> = {}) =>
  it.prepare({
    releaseDigest: release,
    rules: { form: 3, pipeline, approval: RULE, ...rules },
  });

const askFor = (prepared: Prepared, stepId: string, state: 'waiting' | 'approved' = 'approved') =>
  it.ask(prepared, state, 1, stepId);

const signFor = (prepared: Prepared, stepId: string) =>
  it.sign(prepared, {
    idempotencyKey: `${prepared.promotion.promotionId}/${stepId}/dev-1/deploy`,
  });

const decide = (
  { promotion: { promotionId } }: Prepared,
  stepId: string,
  outcome: 'allow' | 'deny',
) =>
  it.asWorker((tx) => insertDecision(tx, { promotionId, stepId, decision: decisionOf(outcome) }));

describe('a step that deploys', () => {
  test('needs the gates that come before it, and no others', async () => {
    const prepared = await prepare(REGIONS);
    expect(await signFor(prepared, 'eu')).toBe('signed');
    expect(await signFor(prepared, 'us')).toBe('decision-missing');
    await decide(prepared, 'gate-us', 'deny');
    expect(await signFor(prepared, 'eu')).toBe('signed');
    expect(await signFor(prepared, 'us')).toBe('decision-not-allow');
  });

  test('needs people where an approval comes before it', async () => {
    const prepared = await prepare(REGIONS);
    await decide(prepared, 'gate-us', 'allow');
    expect(await signFor(prepared, 'us')).toBe('approval-missing');
    await askFor(prepared, 'approve');
    expect(await signFor(prepared, 'us')).toBe('approval-missing');
    await it.approve(prepared, {}, 1, 'approve');
    expect(await signFor(prepared, 'us')).toBe('signed');
  });

  test('needs the approvals that come before it, each of its own, whatever another branch waits for', async () => {
    const prepared = await prepare(
      courseOf(
        step('gate', 'gate@1', []),
        step('plan', 'plan@1', ['gate']),
        step('ask-eu', 'approval@1', ['plan']),
        step('ask-us', 'approval@1', ['plan']),
        step('eu', 'deploy@1', ['ask-eu']),
        step('us', 'deploy@1', ['ask-us']),
        step('rest', 'deploy@1', ['eu', 'us']),
      ),
    );
    const signed = async () => [
      await signFor(prepared, 'eu'),
      await signFor(prepared, 'us'),
      await signFor(prepared, 'rest'),
    ];
    await askFor(prepared, 'ask-eu');
    await it.approve(prepared, {}, 1, 'ask-eu');
    await askFor(prepared, 'ask-us', 'waiting');
    expect(await signed()).toEqual(['signed', 'approval-missing', 'approval-missing']);
    // Closed without anybody's decision on this step: what was said to the other one counts there alone.
    await it.scene.database.query(
      `update sluice.approval_requests set state = 'approved', closed_at = now() where promotion_id = $1`,
      [prepared.promotion.promotionId],
    );
    expect(await signed()).toEqual(['signed', 'approval-missing', 'approval-missing']);
    await it.approve(prepared, {}, 1, 'ask-us');
    expect(await signed()).toEqual(['signed', 'signed', 'signed']);
  });

  test('needs people everywhere where its environment asks for them', async () => {
    const setRule = (rule: string | null) =>
      it.scene.database.query(
        `update sluice.environments set approval = $1 where environment_id = 'dev'`,
        [rule],
      );
    await setRule(JSON.stringify(RULE));
    expect(await signFor(await prepare(REGIONS), 'eu')).toBe('approval-missing');
    await setRule(null);
  });

  test.each([
    ['without a gate', courseOf(step('plan', 'plan@1', []), step('go', 'deploy@1', ['plan']))],
    [
      'with a gate beside it',
      courseOf(
        step('gate', 'gate@1', []),
        step('plan', 'plan@1', []),
        step('go', 'deploy@1', ['plan']),
      ),
    ],
    [
      'with a gate that was skipped',
      courseOf(
        step('gate-x', 'gate@1', [], { if: 'false' }),
        step('plan', 'plan@1', []),
        step('go', 'deploy@1', ['plan', 'gate-x']),
      ),
    ],
  ])('%s gets nothing', async (_what, course) => {
    expect(await signFor(await prepare(course), 'go')).toBe('decision-missing');
  });

  test.each(['no-such-step', 'gate', 'revert'])('is none that is called %s', async (stepId) => {
    expect(await signFor(await prepare(REGIONS), stepId)).toBe('step-unknown');
  });

  test('of a later round and of a sub-pipeline is the same step', async () => {
    const course = courseOf(
      step('gate', 'gate@1', []),
      step('plan', 'plan@1', []),
      step('rollout--go', 'deploy@1', ['gate', 'plan']),
    );
    const prepared = await it.planAgain(await prepare(course), 2);
    expect(await signFor(prepared, 'rollout--go~2')).toBe('signed');
  });

  test('is for the targets of its matrix, as they are labelled now', async () => {
    const over = { targets: { region: 'eu' } };
    const matrix = { over, maxParallel: 1, failFast: false, policy: 'all' };
    const course = courseOf(
      step('gate', 'gate@1', []),
      step('plan', 'plan@1', []),
      step('go', 'deploy@1', ['gate', 'plan'], { matrix }),
    );
    const prepared = await prepare(course);
    expect(await signFor(prepared, 'go')).toBe('target-not-in-step');
    const label = (labels: object) =>
      it.scene.database.query(`update sluice.targets set labels = $1`, [JSON.stringify(labels)]);
    await label({ region: 'eu', zone: 'a' });
    expect(await signFor(prepared, 'go')).toBe('signed');
    await label({});
  });
});

describe('a release that the pipeline makes', () => {
  const MAKING = courseOf(
    step('build', 'build@1', []),
    step('release', 'release@1', ['build']),
    step('gate', 'gate@1', ['release']),
    step('plan', 'plan@1', ['release']),
    step('deploy', 'deploy@1', ['gate', 'plan']),
  );

  /** Of a promotion that was bound to what it made, or to what a worker says. */
  async function prepareMade(
    pipeline: Course,
    began = NOTHING_DIGEST,
    made: string | null = release,
  ) {
    const { body } = await it.asWorker((tx) => getRelease(tx, release));
    const prepared = await it.prepare({
      releaseDigest: NOTHING_DIGEST,
      desired: { release, components: body.components, settings: { PORT: '8080' } },
      rules: { form: 3, pipeline, releaseDigest: began, approval: null },
    });
    const { promotionId } = prepared.promotion;
    if (made === null) return prepared;
    // As it was bound before it was planned.
    await it.scene.database.query(
      `alter table sluice.promotions disable trigger promotions_keep_release`,
    );
    await it.asWorker((tx) => bindRelease(tx, { promotionId, releaseDigest: made }));
    await it.scene.database.query(
      `alter table sluice.promotions enable trigger promotions_keep_release`,
    );
    const planned = await it.asWorker((tx) => findPlanSet(tx, promotionId));
    if (planned === undefined) throw new Error('Nothing was planned.');
    const planSet = { ...planned.body, release: made };
    await it.scene.database.query(
      `update sluice.plan_sets set body = $2, plan_set_digest = $3 where promotion_id = $1`,
      [promotionId, planSet, planSetDigest(planSet)],
    );
    return prepared;
  }

  test('is deployed as any other', async () => {
    expect(await it.sign(await prepareMade(MAKING))).toBe('signed');
  });

  test('is not deployed before it is made', async () => {
    const prepared = await prepareMade(MAKING, NOTHING_DIGEST, null);
    // The plan is the worker's word.
    expect(await it.sign(prepared)).toMatch(/^(?:plan-differs|release-not-made)$/);
  });

  test.each<[string, Course]>([
    ['that makes none', REGIONS],
    [
      'whose gate does not wait for it',
      courseOf(...MAKING.steps.map((one) => (one.id === 'gate' ? { ...one, needs: [] } : one))),
    ],
    [
      'that may skip it',
      courseOf(...MAKING.steps.map((one) => (one.id === 'release' ? { ...one, if: 'true' } : one))),
    ],
  ])('by a pipeline %s is another one', async (_what, pipeline) => {
    expect(await it.sign(await prepareMade(pipeline))).toBe('release-differs');
  });

  test('in place of one that was asked for is another one', async () => {
    const other = await it.scene.addRelease('3.0.0');
    expect(await it.sign(await prepareMade(MAKING, other))).toBe('release-differs');
  });
});

describe('a success', () => {
  const succeed = ({ promotion }: Prepared, pipeline: Course, rules: Partial<FrozenRules> = {}) =>
    it.asWorker(async (tx) => {
      const frozen = { releaseDigest: release, approval: RULE, pipeline, ...rules } as FrozenRules;
      const problem = await findCourseSuccessProblem(tx, promotion, frozen, pipeline);
      return problem?.refusal.code;
    });

  test('may have gates that never ran, and none that said no', async () => {
    const prepared = await prepare(REGIONS);
    expect(await succeed(prepared, REGIONS)).toBeUndefined();
    await decide(prepared, 'gate-us', 'deny');
    expect(await succeed(prepared, REGIONS)).toBe('decision-not-allow');
  });

  test('was guarded wherever it deployed', async () => {
    const prepared = await prepare(REGIONS);
    const { promotionId } = prepared.promotion;
    const sent = (stepId: string) =>
      it.scene.database.query(
        `insert into sluice.commands (tenant_id, target_id, sequence, command_digest, kind, promotion_id,
           release_digest, idempotency_key, envelope, payload, fencing_token, expires_at, workflow_id, run_id, activity_id)
         values ($1, 'dev-1', $2, $3, 'deploy', $4, $5, $6, '{}', '{}', 1, now(), 'w', 'r', 'a')`,
        [
          SCENE_TENANT,
          9000 + 10 * stepId.length + stepId.charCodeAt(0),
          digestOf(promotionId + stepId),
          promotionId,
          release,
          `${promotionId}/${stepId}/dev-1/deploy`,
        ],
      );
    await sent('eu');
    expect(await it.asWorker((tx) => listCommands(tx, promotionId))).toHaveLength(1);
    expect(await succeed(prepared, REGIONS)).toBeUndefined();
    await sent('us');
    expect(await succeed(prepared, REGIONS)).toBe('decision-not-allow');
    await decide(prepared, 'gate-us', 'allow');
    expect(await succeed(prepared, REGIONS)).toBe('approval-missing');
    await askFor(prepared, 'approve');
    await it.approve(prepared, {}, 1, 'approve');
    expect(await succeed(prepared, REGIONS)).toBeUndefined();
    await sent('elsewhere');
    expect(await succeed(prepared, REGIONS)).toBe('step-unknown');
  });

  test('is of a release that is there', async () => {
    const nothing = await it.scene.addPromotion(NOTHING_DIGEST);
    const course = courseOf(step('release', 'release@1', []));
    const frozen = { releaseDigest: NOTHING_DIGEST, pipeline: course } as unknown as FrozenRules;
    const problem = await it.asWorker((tx) =>
      findCourseSuccessProblem(tx, nothing, frozen, course),
    );
    expect(problem?.refusal.code).toBe('release-not-made');
  });
});
