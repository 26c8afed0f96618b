import { parseStepType } from '@sluice/domain';
import {
  findRollout,
  getPromotionHead,
  getRollout,
  hasEnded,
  listStepsById,
  type RolloutRecord,
  recordSteer,
  setRolloutPosition,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import { FAILURES, type RolloutActivities, type RolloutPosition } from '@sluice/temporal-contract';
import { withHeartbeats } from '../activity-scope.ts';
import type { ActivityDependencies } from '../dependencies.ts';
import { activityFailure } from '../failures.ts';
import { decide, type GateParts } from '../gate/gate.step.ts';
import type { StageFacts } from '../gate/gate-input.ts';
import { recordEventOf } from '../records/promotion-event.ts';
import { enterPromotionState } from '../records/state.activities.ts';
import { runActivity } from '../run-activity.ts';
import type { FrozenCourses, FrozenPromotion } from '../step/frozen-course.ts';

type Promotion = Awaited<ReturnType<typeof getPromotionHead>>;

/** `recordRollout`. */
export function createRolloutActivities(
  parts: Pick<ActivityDependencies, 'pool' | 'logger' | 'scope' | 'observe'>,
): Pick<RolloutActivities, 'recordRollout'> {
  return {
    recordRollout: ({ promotion: { tenantId, promotionId }, stepId, round, at, steered }) =>
      runActivity(parts, 'recordRollout', { tenantId, promotionId, stepId }, () =>
        withTenant(parts.pool, tenantId, async (tx) => {
          const promotion = await getPromotionHead(tx, promotionId);
          const key = { promotionId, stepId, round };
          if (steered !== undefined) {
            const { steerId, action, principalId } = steered;
            if (await recordSteer(tx, { steerId, round, stage: at.stage })) {
              const data = { step: stepId, round, stage: at.stage, action };
              await recordEventOf(
                tx,
                'rollout.steered',
                promotion,
                data,
                `principal:${principalId}`,
              );
            }
          }
          const before = await getRollout(tx, key);
          const now = furtherOf(before, at);
          if (!(await setRolloutPosition(tx, key, now))) return;
          await recordMove(tx, promotion, before, now);
        }),
      ),
  };
}

/** A run after a reset begins anew, and what it was before does not know where it stood: the records do. */
function furtherOf(before: RolloutRecord, at: RolloutPosition): RolloutPosition {
  const { stage, phase } = before;
  return at.stage < stage ? { ...at, stage, phase } : at;
}

/** The event of what changed, and the promotion's own state, which waits while its rollout does. */
async function recordMove(
  tx: Tx,
  promotion: Promotion,
  before: RolloutRecord,
  { state, stage, phase, reason }: RolloutPosition,
): Promise<void> {
  const { layout, stepId: step, round } = before;
  const place = { step, round, stage, name: layout.stages[stage]?.name ?? null, phase };
  const why = reason === null ? {} : { reason: reason.code };
  if (stage !== before.stage || phase !== before.phase) {
    await recordEventOf(tx, 'rollout.moved', promotion, place);
  }
  if (state === before.state) return;
  if (hasEnded(state)) {
    await recordEventOf(tx, 'rollout.ended', promotion, { ...place, state, ...why });
  } else {
    const type = state === 'paused' ? 'rollout.paused' : 'rollout.resumed';
    await recordEventOf(tx, type, promotion, { ...place, ...why });
  }
  if (state === 'paused') await enterPromotionState(tx, promotion, 'waiting');
  else if (before.state === 'paused') await enterPromotionState(tx, promotion, 'running');
}

/** `gateStage`. */
export function createStageGateActivities(
  parts: GateParts & Pick<ActivityDependencies, 'logger' | 'scope' | 'observe'>,
  courses: FrozenCourses,
): Pick<RolloutActivities, 'gateStage'> {
  return {
    gateStage: ({ promotion, stepId, round, stage, scheduledAt, traceparent }) =>
      runActivity(parts, 'gateStage', { ...promotion, stepId, traceparent }, (log, scope) =>
        withHeartbeats(scope, 'gate', async () => {
          const { tenantId, promotionId } = promotion;
          const asked = await withTenant(parts.pool, tenantId, async (tx) => {
            const frozen = await courses.read(tx, promotionId);
            const rollout = await findRollout(tx, { promotionId, stepId, round });
            const digests = await readScans(tx, frozen);
            return { ...frozen, stage: factsOf(rollout, stepId, stage), digests };
          });
          const { result, record } = await decide(parts, {
            promotion: asked.promotion,
            rules: asked.rules,
            log,
            stage: asked.stage,
            input: {
              promotion,
              stepId: `${stepId}/stage-${stage}`,
              inputDigests: asked.digests,
              scheduledAt,
              traceparent,
            },
          });
          if (record !== undefined) await withTenant(parts.pool, tenantId, record);
          return result;
        }),
      ),
  };
}

function factsOf(rollout: RolloutRecord | undefined, step: string, index: number): StageFacts {
  const found = rollout?.layout.stages[index];
  if (rollout === undefined || found === undefined) {
    const message = `Step ${step} has no rollout with a stage ${index}; look at the promotion.`;
    throw activityFailure(FAILURES.notFound, message);
  }
  const { strategy, members } = rollout.layout;
  const { name, to, canaryPermille: permille } = found;
  return { step, index, name, strategy, reach: to, targets: members.length, permille };
}

/** What the pipeline's scans found, as the gate before had it. */
async function readScans(
  tx: Tx,
  { promotion, rules }: FrozenPromotion,
): Promise<Readonly<Record<string, string>>> {
  const scans = rules.pipeline.steps.filter(({ type }) => parseStepType(type).type === 'scan');
  const ids = scans.map(({ id }) => id);
  if (ids.length === 0) return {};
  const steps = await listStepsById(tx, promotion.promotionId, ids);
  return Object.fromEntries(
    steps.flatMap(({ stepId, outputs }) =>
      Object.entries(outputs).map(([name, digest]) => [`${stepId}.${name}`, digest] as const),
    ),
  );
}
