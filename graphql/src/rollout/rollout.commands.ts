import { Inject, Injectable } from '@nestjs/common';
import { isPromotionEnd } from '@sluice/domain';
import { withSpan } from '@sluice/observability';
import {
  findPromotion,
  findRollout,
  findSteer,
  getPromotion,
  insertEvent,
  insertSteer,
  listRolloutsOf,
  type PromotionRecord,
  type RolloutSteerRecord,
  reaskSteer,
  refuseSteer,
  type Tx,
} from '@sluice/persistence';
import type { SteerRolloutInput as Steer } from '@sluice/temporal-contract';
import type { SteerAnswer } from '../common/engine-client.ts';
import { storedWord } from '../common/enum-name.ts';
import { type GraphqlContext, principalOf } from '../common/graphql-context.ts';
import {
  engineUnavailable,
  idempotencyConflict,
  invalidInput,
  notFound,
  stateConflict,
  steerRefused,
} from '../common/refusal.ts';
import { GRAPHQL_PARTS, type GraphqlParts } from '../common/tokens.ts';
import { type RolloutView, rolloutView } from './rollout.view.ts';
import type { SteerRolloutInput } from './steer-rollout.input.ts';

/**
 * What people do to rollouts. The row is written first, because the API alone knows who asked; then the workflow is asked whether it
 * takes it. A refused Update leaves no trace in the engine, so the refusal is recorded here.
 */
@Injectable()
export class RolloutCommands {
  readonly #parts: GraphqlParts;

  constructor(@Inject(GRAPHQL_PARTS) parts: GraphqlParts) {
    this.#parts = parts;
  }

  /**
   * Steers, and gives the rollout as it is then. A repeated key gives the first answer; after a refusal it asks again, for its time may
   * have come since.
   */
  async steer(context: GraphqlContext, input: SteerRolloutInput): Promise<RolloutView> {
    const asked = await context.inTenant((tx) => ask(tx, context, input));
    const settled = asked.state === 'asked' ? await this.#settle(context, asked) : asked;
    const { refusal, steerId, promotionId, stepId } = settled;
    if (settled.state === 'refused') {
      if (refusal === null) throw new Error(`The steer ${steerId} is refused without a reason.`);
      throw steerRefused(refusal.code, refusal.message);
    }
    return context.inTenant(async (tx) => {
      const rollout = await findRollout(tx, { promotionId, stepId });
      if (rollout !== undefined) return rolloutView(rollout, await getPromotion(tx, promotionId));
      throw new Error(`The rollout that ${steerId} steered is not there.`);
    });
  }

  async #settle(context: GraphqlContext, asked: RolloutSteerRecord): Promise<RolloutSteerRecord> {
    const { steerId, promotionId, stepId, action, principalId, personId } = asked;
    const { tenantId, role } = principalOf(context);
    const steer: Steer = {
      steerId,
      stepId,
      action,
      principalId,
      personId,
      role,
      reason: asked.comment,
    };
    const { traceparent } = await context.inTenant((tx) => getPromotion(tx, promotionId));
    // Part of the promotion's trace, as all that happens to it: the request of whoever steers is another, and linked.
    const answer = await withSpan('steer rollout', traceparent, { tenantId, promotionId }, () =>
      this.#parts.engine.steerRollout({ tenantId, promotionId }, steer),
    );
    return context.inTenant(async (tx) => {
      if (answer.kind === 'refused') await recordRefused(tx, context, asked, answer);
      // Whatever the engine said to this call, a record that is there counts: an earlier one with this key made it.
      const record = await findSteer(tx, steerId);
      if (record === undefined) throw new Error(`The steer ${steerId} is gone.`);
      if (record.state === 'asked') throw await unsettled(tx, promotionId, answer);
      return record;
    });
  }
}

/** Stores a steer as asked, or gives what became of it before; a refused one is asked again. */
async function ask(
  tx: Tx,
  context: GraphqlContext,
  input: SteerRolloutInput,
): Promise<RolloutSteerRecord> {
  const { principalId, personId } = principalOf(context);
  const steerId = `${principalId}/${input.idempotencyKey}`;
  const before = await findSteer(tx, steerId);
  if (before !== undefined && same(before, input, personId).state === 'recorded') return before;
  const promotion = await findPromotion(tx, input.promotion);
  if (promotion === undefined) {
    const message = `There is no promotion ${input.promotion}; list promotions.`;
    throw notFound('promotion-unknown', message);
  }
  if (isPromotionEnd(promotion.state)) throw promotionEnded(promotion);
  if (before !== undefined) {
    await reaskSteer(tx, steerId);
    return { ...before, state: 'asked' };
  }
  const { promotionId } = promotion;
  const stepId = await chooseStep(tx, promotionId, input.step ?? undefined);
  const action = storedWord(input.action) as RolloutSteerRecord['action'];
  const { inserted, steer } = await insertSteer(tx, {
    steerId,
    promotionId,
    stepId,
    action,
    principalId,
    personId,
    comment: input.comment ?? '',
  });
  same(steer, input, personId);
  if (inserted) {
    await insertEvent(tx, {
      ...eventOf(context, steer),
      type: 'rollout.steer-requested',
      data: { steerId, person: personId, step: stepId, action },
    });
  }
  return steer;
}

/** The step that is meant: named, or the only one whose rollout has not ended. */
async function chooseStep(tx: Tx, promotionId: string, step: string | undefined): Promise<string> {
  const rollouts = await listRolloutsOf(tx, [promotionId]);
  if (step !== undefined) {
    if (rollouts.some(({ stepId }) => stepId === step)) return step;
    throw notFound(
      'rollout-unknown',
      `Step ${step} of ${promotionId} has no rollout that has begun; look at the promotion.`,
    );
  }
  const open = rollouts.filter(({ endedAt }) => endedAt === null);
  const [only] = open;
  if (only === undefined) {
    throw notFound(
      'rollout-unknown',
      `Promotion ${promotionId} has no rollout that has begun and not ended; look at the promotion.`,
    );
  }
  if (open.length === 1) return only.stepId;
  const names = open.map(({ stepId }) => stepId).join(', ');
  throw invalidInput('step', `step: several roll out (${names}); name one.`);
}

/** The stored steer, when the same person asks for the same. */
function same(
  stored: RolloutSteerRecord,
  { promotion, step, action, comment }: SteerRolloutInput,
  personId: string,
): RolloutSteerRecord {
  const isSame =
    stored.promotionId === promotion &&
    stored.stepId === (step ?? stored.stepId) &&
    stored.action === storedWord(action) &&
    stored.comment === (comment ?? '') &&
    stored.personId === personId;
  if (!isSame) throw idempotencyConflict('steerRollout');
  return stored;
}

async function recordRefused(
  tx: Tx,
  context: GraphqlContext,
  asked: RolloutSteerRecord,
  { code, message }: Extract<SteerAnswer, { readonly kind: 'refused' }>,
): Promise<void> {
  const { steerId, personId, stepId: step, action } = asked;
  // Two that ask with one key at once are refused once.
  if (!(await refuseSteer(tx, { steerId, code, message }))) return;
  await insertEvent(tx, {
    ...eventOf(context, asked),
    type: 'rollout.steer-refused',
    data: { steerId, person: personId, step, action, code },
  });
}

function eventOf({ traceId }: GraphqlContext, { principalId, promotionId }: RolloutSteerRecord) {
  const subject = `promotion:${promotionId}`;
  return { actor: `principal:${principalId}`, subject, promotionId, traceId };
}

/** What to say of a steer that was neither recorded nor refused. */
async function unsettled(tx: Tx, promotionId: string, answer: SteerAnswer): Promise<Error> {
  switch (answer.kind) {
    case 'ended':
      return promotionEnded(await getPromotion(tx, promotionId));
    case 'not-started':
      return stateConflict(
        'promotion-not-started',
        `Promotion ${promotionId} has not begun yet; steer it once it rolls out.`,
      );
    case 'unavailable':
      return engineUnavailable(answer.code, UNAVAILABLE[answer.code]);
    default:
      return new Error(`The engine said "${answer.kind}", and the records know nothing of it.`);
  }
}

const UNAVAILABLE = {
  'engine-unreachable':
    'The engine can not be reached; send the same request with the same idempotencyKey again.',
  'steer-unanswered':
    'No worker answered, and the rollout may still take it; send the same request with the same idempotencyKey again, or look whether the promotion is stuck.',
} as const;

function promotionEnded({ promotionId, state, reason }: PromotionRecord): Error {
  const how = reason === null ? state : `${state}, ${reason.code}`;
  return stateConflict(
    'promotion-ended',
    `Promotion ${promotionId} has ended (${how}); nothing rolls out any more.`,
  );
}
