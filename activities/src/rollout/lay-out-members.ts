import {
  describeRolloutProblems,
  findInputFaults,
  type JsonValue,
  layOutRollout,
  type RolloutInputs,
  type RolloutTarget,
  type RouteTable,
} from '@sluice/domain';
import type { EvidenceStore } from '@sluice/evidence-store';
import {
  getPromotionHead,
  insertRollout,
  type MemberRecord,
  type RolloutKey,
  type Tx,
} from '@sluice/persistence';
import { BUILT_IN_STEP_TYPES } from '@sluice/pipeline';
import { findInputReads, resolveInputs } from '@sluice/pure';
import { ApplicationFailure } from '@temporalio/common';
import { findCurrentSides } from '../plan/target-sides.ts';
import { recordEventOf } from '../records/promotion-event.ts';
import { readSteadyRoute } from '../route/route-facts.ts';
import type { FrozenPromotion, FrozenStep } from '../step/frozen-course.ts';
import { findLargeValueCode } from '../step/large-values.ts';
import { readScope } from '../step/step-scope.ts';

type NewMember = Pick<MemberRecord, 'key' | 'target' | 'value'>;

/** Becomes the reason's code: `rollout-invalid`. */
const ROLLOUT_INVALID = 'RolloutInvalid';

/**
 * Lays the rollout of a step out over the targets that fit it, and stores that once: members come back in the order of exposure. Those that
 * the strategy leaves alone are not among them. Without a target there is nothing to lay out.
 * @throws ApplicationFailure `RolloutInvalid` with all that is wrong with it
 */
export async function layOutMembers(
  tx: Tx,
  evidence: EvidenceStore,
  frozen: FrozenPromotion,
  step: FrozenStep,
  key: RolloutKey,
  members: readonly NewMember[],
): Promise<readonly NewMember[]> {
  if (members.length === 0) return members;
  if (members.some(({ target }) => target === null)) {
    throw refusal(key.stepId, 'matrix: A rollout goes over targets: take its values out.');
  }
  const inputs = await readInputs(tx, evidence, frozen, step);
  const { router } = inputs;
  if (router !== undefined) assertRouter(frozen, key.stepId, router);
  const routeBefore = router === undefined ? null : await readSteadyRoute(tx, router);
  const targets = members.map(targetOf);
  const laidOut = layOutRollout(
    inputs,
    targets,
    routeBefore === null ? null : servingIn(routeBefore),
    await isEmpty(tx, targets),
  );
  if (!laidOut.ok) throw refusal(key.stepId, describeRolloutProblems(laidOut.problems));
  const { order, layout } = laidOut;
  const { inserted } = await insertRollout(tx, {
    ...key,
    strategy: layout.strategy,
    layout: { ...layout, members: order },
    inputs: inputs as unknown as Readonly<Record<string, JsonValue>>,
    routeBefore,
  });
  if (inserted) {
    await recordEventOf(tx, 'rollout.laid-out', await getPromotionHead(tx, key.promotionId), {
      step: key.stepId,
      round: key.round,
      strategy: layout.strategy,
      stages: layout.stages.length,
      targets: order.length,
      router: layout.router,
    });
  }
  const byName = new Map(members.map((member) => [member.key, member]));
  return order.flatMap((name) => byName.get(name) ?? []);
}

async function readInputs(
  tx: Tx,
  evidence: EvidenceStore,
  frozen: FrozenPromotion,
  { resolved }: FrozenStep,
): Promise<RolloutInputs> {
  const manifest = BUILT_IN_STEP_TYPES.get(resolved.type);
  if (manifest === undefined) throw refusal(resolved.id, `There is no type ${resolved.type}.`);
  const reads = findInputReads(resolved.inputs);
  const scope = await readScope(tx, evidence, frozen, reads).catch((error: unknown) => {
    if (findLargeValueCode(error) === undefined) throw error;
    throw refusal(resolved.id, (error as Error).message);
  });
  const found = resolveInputs(resolved.inputs, scope);
  if (!found.ok) throw refusal(resolved.id, found.message);
  const faults = findInputFaults(manifest, found.inputs);
  if (faults.length > 0) {
    throw refusal(resolved.id, faults.map(({ message }) => message).join(' '));
  }
  // Checked against the type's schema, which says no less.
  return found.inputs as unknown as RolloutInputs;
}

function assertRouter({ rules }: FrozenPromotion, stepId: string, router: string): void {
  const known = rules.routers ?? [];
  if (known.includes(router)) return;
  const names = known.length === 0 ? 'has none' : `has ${known.slice(0, 10).join(', ')}`;
  throw refusal(stepId, `router: The environment ${names}, and no ${router}: configure it.`);
}

function targetOf({ key, value }: NewMember): RolloutTarget {
  const { labels = {} } = (value ?? {}) as { readonly labels?: RolloutTarget['labels'] };
  return { name: key, labels };
}

/** Whoever gets requests. */
function servingIn({ pools, canaryPermille, match }: RouteTable): readonly string[] {
  const { stable, canary } = pools;
  return [
    ...(canaryPermille < 1000 ? stable : []),
    ...(canaryPermille > 0 || match.length > 0 ? canary : []),
  ].map(({ name }) => name);
}

/** Nothing runs on any of them. */
async function isEmpty(tx: Tx, targets: readonly RolloutTarget[]): Promise<boolean> {
  const names = targets.map(({ name }) => name);
  const sides = await findCurrentSides(tx, names);
  return names.every((name) => {
    const side = sides.get(name);
    return side === undefined || (side.known && side.side === null);
  });
}

function refusal(stepId: string, message: string): Error {
  return ApplicationFailure.create({
    type: ROLLOUT_INVALID,
    message: `The rollout of step ${stepId} cannot be laid out: ${message} Correct the pipeline.`,
    nonRetryable: true,
  });
}
