import {
  DEFAULT_APPROVAL_RULE,
  hasStepOfType,
  type Pipeline,
  ROLLBACK_PIPELINE,
} from '@sluice/domain';
import {
  assertPromotionOpen,
  type EnvironmentRecord,
  enterQueue,
  getEnvironment,
  getPipeline,
  getPolicy,
  getPromotion,
  insertSteps,
  isVerified,
  listTargetsOf,
  type PromotionRecord,
  recordBundle,
  storeRules,
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
          const rules = await readRules(tx, promotion);
          const stored = await storeRules(tx, promotionId, {
            ...rules,
            rulesDigest: digestOf(rules),
          });
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
): Promise<Omit<FrozenRules, 'rulesDigest'>> {
  const { kind, releaseDigest } = promotion;
  const environment = await getEnvironment(tx, promotion.environment);
  if (kind === 'promote') await assertVerifiedBefore(tx, promotion, environment);
  const { pipeline, pipelineDigest } = await readPipeline(tx, promotion, environment);
  const policy = await getPolicy(tx, environment.policy);
  const targets = (await listTargetsOf(tx, [environment.name])).map(({ name }) => name);
  if (targets.length === 0) {
    throw activityFailure(
      FAILURES.invalidInput,
      `Environment ${environment.name} has no targets: add one to the configuration.`,
    );
  }
  return {
    releaseDigest,
    pipeline,
    pipelineDigest,
    policyDigest: policy.policyDigest,
    targets: [...targets].sort(),
    deadlines: environment.deadlines,
    form: 2,
    begun: true,
    kind,
    approval: hasStepOfType(pipeline, 'approval')
      ? (environment.approval ?? DEFAULT_APPROVAL_RULE)
      : null,
    predecessors: environment.predecessors,
    requester: { principalId: promotion.requestedBy, personId: promotion.requestedPerson },
  };
}

/** A rollback runs the built-in pipeline, whatever its environment is configured with. */
async function readPipeline(
  tx: Tx,
  { kind }: PromotionRecord,
  environment: EnvironmentRecord,
): Promise<Pick<FrozenRules, 'pipeline' | 'pipelineDigest'>> {
  if (kind === 'rollback') {
    return { pipeline: ROLLBACK_PIPELINE, pipelineDigest: digestOf(ROLLBACK_PIPELINE) };
  }
  const { body, pipelineDigest } = await getPipeline(tx, environment.pipeline);
  return { pipeline: body as Pipeline, pipelineDigest };
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
      `Release ${releaseDigest} is not verified in ${environment}, which comes before this environment: ` +
        `promote it there first, then ask for ${promotionId} again.`,
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
