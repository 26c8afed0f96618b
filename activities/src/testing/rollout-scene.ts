import {
  COURSE_SCHEMA,
  type Course,
  type CourseStep,
  composePlan,
  composePlanSet,
  DEFAULT_DEADLINES,
  type Decision,
  type MatchInput,
  type RolloutLayout,
  type RolloutStage,
  type RolloutStrategy,
  type RouteTable,
} from '@sluice/domain';
import {
  getPromotion,
  getRelease,
  insertDecision,
  insertPlan,
  insertPlanSet,
  insertRollout,
  insertSteps,
  type PromotionRecord,
  setPromotionState,
  setStepState,
  storeRules,
  takeLease,
  upsertDeployment,
  withTenant,
} from '@sluice/persistence';
import { digestOf, digestOfBytes } from '@sluice/pure';
import type { FrozenRules } from '@sluice/temporal-contract';
import { type PromotionScene, SCENE_TENANT } from './promotion-scene.ts';

/** What a rollout of a scene is like, where it is not a canary of one in three targets. */
export interface SceneRollout {
  readonly releaseDigest: string;
  /** In the order of exposure; all targets of the rules unless `targets` is given. */
  readonly members: readonly string[];
  readonly targets?: readonly string[];
  readonly strategy?: RolloutStrategy;
  /** What has the new version at the end of each stage, and its share. */
  readonly stages?: readonly { readonly to: number; readonly canaryPermille: number | null }[];
  readonly router?: string | null;
  readonly routeBefore?: RouteTable | null;
  readonly match?: readonly MatchInput[];
  /** Null for no decision of the gate. */
  readonly decision?: Decision | null;
  readonly policyDigest?: string;
  /** What there was on each target before. */
  readonly before?: string | undefined;
}

/** Id of the step that rolls out; one gate comes before it. */
export const ROLLOUT_STEP = 'roll';

/**
 * Stores a promotion that rolls out: with frozen rules, plans of all members, the environment's lease, a gate that allowed, a step that runs and a
 * rollout at its first stage.
 */
export async function beginRollout(
  scene: PromotionScene,
  rollout: SceneRollout,
): Promise<PromotionRecord> {
  const { releaseDigest, members, targets = members } = rollout;
  const { promotionId } = await scene.addPromotion(releaseDigest);
  const policyDigest = rollout.policyDigest ?? digestOfBytes('policy');
  return withTenant(scene.worker, SCENE_TENANT, async (tx) => {
    const rules: FrozenRules = {
      releaseDigest,
      pipeline: ROLLOUT_COURSE,
      pipelineDigest: digestOf(ROLLOUT_COURSE),
      policyDigest,
      targets: [...targets].sort(),
      deadlines: DEFAULT_DEADLINES,
      form: 3,
      kind: 'promote',
      approval: null,
      predecessors: [],
      requester: { principalId: 'alice', personId: 'alice' },
      rulesDigest: digestOf([promotionId, targets]),
    };
    await storeRules(tx, promotionId, rules);
    await insertSteps(tx, promotionId, ROLLOUT_COURSE.steps);
    await setPromotionState(tx, { promotionId, state: 'running' });
    await setStepState(tx, { promotionId, stepId: ROLLOUT_STEP, state: 'running' });
    await tx.query(`update sluice.leases set holder = null where tenant_id = $1`, [tx.tenantId]);
    await tx.query(`delete from sluice.lease_queue where tenant_id = $1`, [tx.tenantId]);
    await takeLease(tx, { resource: 'environment:dev', holder: `promotion:${promotionId}` });
    const decision = rollout.decision === undefined ? ALLOWED(policyDigest) : rollout.decision;
    if (decision !== null) await insertDecision(tx, { promotionId, stepId: 'gate', decision });
    const { body } = await getRelease(tx, releaseDigest);
    const settings = { PORT: '8080' };
    const old = rollout.before === undefined ? null : (await getRelease(tx, rollout.before)).body;
    const current =
      old === null || rollout.before === undefined
        ? null
        : { release: rollout.before, components: old.components, settings };
    const plans: { target: string; plan: string }[] = [];
    for (const target of members) {
      const desired = { release: releaseDigest, components: body.components, settings };
      const planDigest = await insertPlan(tx, composePlan(target, current, desired));
      await upsertDeployment(tx, { promotionId, target, planDigest });
      plans.push({ target, plan: planDigest });
    }
    const planSet = composePlanSet(promotionId, releaseDigest, plans);
    await insertPlanSet(tx, { promotionId, round: 1, planSet });
    const layout = layoutOf(rollout);
    await insertRollout(tx, {
      promotionId,
      stepId: ROLLOUT_STEP,
      round: 1,
      strategy: layout.strategy,
      layout: { ...layout, members },
      inputs: { strategy: layout.strategy, match: (rollout.match ?? []) as never },
      routeBefore: rollout.routeBefore ?? null,
    });
    return getPromotion(tx, promotionId);
  });
}

function layoutOf({
  members,
  strategy = 'canary',
  stages = [
    { to: 1, canaryPermille: 50 },
    { to: 2, canaryPermille: 500 },
    { to: members.length, canaryPermille: 1000 },
  ],
  router = 'edge',
}: SceneRollout): RolloutLayout {
  return {
    strategy,
    stages: stages.map(
      ({ to, canaryPermille }, index): RolloutStage => ({
        name: `wave-${index + 1}`,
        from: stages[index - 1]?.to ?? 0,
        to,
        maxParallel: 1,
        canaryPermille,
        soakSeconds: 1,
        analyse: false,
        gate: true,
        pause: false,
      }),
    ),
    router,
    onFail: 'revert',
    onInconclusive: 'pause',
    pauseSeconds: 60,
  };
}

function step(id: string, type: CourseStep['type'], needs: readonly string[]): CourseStep {
  const retry = { attempts: 1, backoffSeconds: 1, factor: 2, maxBackoffSeconds: 1, terminal: [] };
  return { id, type, needs, inputs: {}, timeoutSeconds: 60, retry };
}

const ROLLOUT_COURSE: Course = {
  schema: COURSE_SCHEMA,
  name: 'shop',
  version: 1,
  failFast: true,
  steps: [
    step('gate', 'gate@1', []),
    step('plan', 'plan@1', ['gate']),
    step(ROLLOUT_STEP, 'rollout@1', ['plan']),
  ],
};

const ALLOWED = (policyDigest: string): Decision => ({
  decision: 'allow',
  reasonCodes: [],
  policyDigest,
  inputDigest: digestOfBytes('input'),
  determinismHash: digestOfBytes('hash'),
  evaluatedAt: '2026-11-21T12:00:00Z',
  trace: [],
});
