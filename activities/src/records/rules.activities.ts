import {
  DEFAULT_APPROVAL_RULE,
  hasStepOfType,
  isPipelineTemplate,
  MAX_MATRIX_MEMBERS,
  ROLLBACK_PIPELINE,
} from '@sluice/domain';
import {
  assertPromotionOpen,
  type EnvironmentRecord,
  enterQueue,
  getEnvironment,
  getPolicy,
  getPromotion,
  insertSteps,
  isVerified,
  listRoutersOf,
  listTargetsOf,
  type PromotionRecord,
  recordBundle,
  storeRules,
  storeTargetLabels,
  type TargetRecord,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import { digestOf } from '@sluice/pure';
import {
  environmentLease,
  FAILURES,
  type FrozenRules,
  type InterpreterActivities,
  leaseHolder,
} from '@sluice/temporal-contract';
import type { ActivityDependencies } from '../dependencies.ts';
import { activityFailure } from '../failures.ts';
import { runActivity } from '../run-activity.ts';
import { freezeCourse, readPipelineOf } from './course-rules.ts';
import { recordEventOf } from './promotion-event.ts';
import { enterPromotionState } from './state.activities.ts';

/** `freezeRules`: what a promotion holds to, read once, its place in the environment's queue, and its beginning. */
export function createRulesActivities(
  parts: Pick<ActivityDependencies, 'pool' | 'logger' | 'scope' | 'observe' | 'bundleDigest'>,
): Pick<InterpreterActivities, 'freezeRules'> {
  return {
    freezeRules: ({ promotion: { tenantId, promotionId } }) =>
      runActivity(parts, 'freezeRules', { tenantId, promotionId }, () =>
        withTenant(parts.pool, tenantId, async (tx) => {
          const promotion = await getPromotion(tx, promotionId);
          if (promotion.rules !== null) return promotion.rules as unknown as FrozenRules;
          // An attempt that was given up may come late: nobody would take a place back after the end.
          await assertPromotionOpen(tx, promotionId);
          const environment = await getEnvironment(tx, promotion.environment);
          const targets = await readTargets(tx, environment.name);
          const rules = await readRules(tx, promotion, environment, targets);
          const frozen = { ...rules, rulesDigest: digestOf(rules) };
          if (rules.form === 3) assertFitting(frozen);
          const stored = await storeRules(tx, promotionId, frozen);
          if (rules.form === 3) {
            const labels = targets.map((target) => [target.name, target.labels]);
            await storeTargetLabels(tx, promotionId, Object.fromEntries(labels));
          }
          const { bundleDigest } = parts;
          if (bundleDigest !== undefined) await recordBundle(tx, { promotionId, bundleDigest });
          await insertSteps(tx, promotionId, stored.pipeline.steps);
          await takePlace(tx, promotion);
          await enterPromotionState(tx, promotion, 'running');
          return stored;
        }),
      ),
  };
}

async function readRules(
  tx: Tx,
  promotion: PromotionRecord,
  environment: EnvironmentRecord,
  targets: readonly TargetRecord[],
): Promise<Omit<FrozenRules, 'rulesDigest'>> {
  const { kind, releaseDigest } = promotion;
  if (kind === 'promote') await assertVerifiedBefore(tx, promotion, environment);
  const course = await readPipeline(tx, promotion, environment);
  const policy = await getPolicy(tx, environment.policy);
  const routers = (await listRoutersOf(tx, [environment.name])).map(({ name }) => name);
  return {
    releaseDigest,
    ...course,
    ...(routers.length === 0 ? {} : { routers }),
    policyDigest: policy.policyDigest,
    targets: targets.map(({ name }) => name).sort(),
    deadlines: environment.deadlines,
    begun: true,
    kind,
    approval: hasStepOfType(course.pipeline, 'approval')
      ? (environment.approval ?? DEFAULT_APPROVAL_RULE)
      : null,
    predecessors: environment.predecessors,
    requester: { principalId: promotion.requestedBy, personId: promotion.requestedPerson },
  };
}

async function readTargets(tx: Tx, environment: string): Promise<readonly TargetRecord[]> {
  const targets = await listTargetsOf(tx, [environment]);
  if (targets.length === 0) {
    throw activityFailure(
      FAILURES.invalidInput,
      `Environment ${environment} has no targets: add one to the configuration.`,
    );
  }
  return targets;
}

/** The engine refuses a larger payload, and would ask again and again. Bytes. */
const MAX_RULES_BYTES = 1_800_000;

function assertFitting(rules: FrozenRules): void {
  const size = Buffer.byteLength(JSON.stringify(rules));
  if (size <= MAX_RULES_BYTES && rules.targets.length <= MAX_MATRIX_MEMBERS) return;
  throw activityFailure(
    FAILURES.invalidInput,
    `What the promotion would hold to is ${size} bytes large, ${rules.pipeline.steps.length} steps and ${rules.targets.length} targets; ` +
      `at most ${MAX_RULES_BYTES} bytes and ${MAX_MATRIX_MEMBERS} targets are taken: use matrices in the place of steps, or several environments.`,
  );
}

/** A rollback runs the built-in pipeline, whatever its environment is configured with. */
async function readPipeline(
  tx: Tx,
  promotion: PromotionRecord,
  environment: EnvironmentRecord,
): Promise<
  Pick<
    FrozenRules,
    'pipeline' | 'pipelineDigest' | 'parameters' | 'facts' | 'undoesEarlierRuns'
  > & { form: 2 | 3 }
> {
  if (promotion.kind === 'rollback') {
    return { pipeline: ROLLBACK_PIPELINE, pipelineDigest: digestOf(ROLLBACK_PIPELINE), form: 2 };
  }
  const { body, pipelineDigest } = await readPipelineOf(tx, environment);
  if (isPipelineTemplate(body)) return freezeCourse(tx, promotion, environment, body);
  return { pipeline: body, pipelineDigest, form: 2 };
}

async function assertVerifiedBefore(
  tx: Tx,
  { promotionId, releaseDigest }: PromotionRecord,
  { predecessors }: EnvironmentRecord,
): Promise<void> {
  for (const environment of predecessors) {
    if (await isVerified(tx, { environment, releaseDigest })) continue;
    throw activityFailure(
      FAILURES.invalidInput,
      `Release ${releaseDigest} is not verified in ${environment}, which comes before this environment: its newest promotion there ` +
        `must have succeeded with every target confirmed. Promote it there first, then ask for ${promotionId} again.`,
    );
  }
}

/** Not ready yet: it keeps its place while it scans, plans and is approved. A rollback takes the lease without one. */
async function takePlace(tx: Tx, promotion: PromotionRecord): Promise<void> {
  if (promotion.kind === 'rollback') return;
  const resource = environmentLease(promotion.environment);
  const entered = await enterQueue(tx, { resource, holder: leaseHolder(promotion.promotionId) });
  if (entered) await recordEventOf(tx, 'lease.queued', promotion, { resource });
}
