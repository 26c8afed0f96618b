import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import {
  enqueueOutbox,
  findPromotion,
  getPromotion,
  insertEvent,
  isExecutionOpen,
  listProblemsOf,
  type PromotionRecord,
  type Tx,
  type WorkflowProblemRecord,
} from '@sluice/persistence';
import { promotionWorkflowId, settlementWorkflowId } from '@sluice/temporal-contract';
import { answerCommand, findAnswer } from '../common/answer-command.ts';
import type { ResetPreviewAnswer } from '../common/engine-client.ts';
import { type GraphqlContext, principalOf } from '../common/graphql-context.ts';
import { engineUnavailable, notFound, stateConflict } from '../common/refusal.ts';
import { GRAPHQL_PARTS, type GraphqlParts } from '../common/tokens.ts';
import { type PromotionView, promotionView } from '../promotion/promotion.view.ts';
import type { ResetPreviewArgs, ResetPromotionInput } from './reset-promotion.input.ts';
import type { ResumePromotionInput } from './resume-promotion.input.ts';

type Previewed = Extract<ResetPreviewAnswer, { readonly kind: 'preview' }>;

/** Ways out for promotions that do not go on: a reset goes through the outbox like all that changes a workflow. */
@Injectable()
export class ResetCommands {
  readonly #parts: GraphqlParts;

  constructor(@Inject(GRAPHQL_PARTS) parts: GraphqlParts) {
    this.#parts = parts;
  }

  /** What a reset would do again. */
  async preview(context: GraphqlContext, { promotion, event }: ResetPreviewArgs) {
    const record = await context.inTenant((tx) => findResettable(tx, promotion));
    const { preview } = await this.#look(context, record, event ?? undefined);
    return { __typename: 'ResetPreview' as const, promotion: promotionView(record), ...preview };
  }

  /** Asks for a reset; a repeated key gives the first answer, whatever the engine says by now. */
  async reset(context: GraphqlContext, input: ResetPromotionInput): Promise<PromotionView> {
    const { promotion, event, reason, idempotencyKey } = input;
    const command = ['resetPromotion', idempotencyKey, { promotion, event, reason }] as const;
    const before = await context.inTenant(async (tx) => {
      const answered = await findAnswer<string>(tx, context, ...command);
      return answered === undefined
        ? { record: await findResettable(tx, promotion) }
        : { answered: await getPromotion(tx, answered) };
    });
    if (before.answered !== undefined) return promotionView(before.answered);
    const seen = await this.#look(context, before.record, event);
    if (seen.preview.event !== event) {
      throw stateConflict(
        'reset-impossible',
        `Event ${event} of ${promotion} is no end of a workflow task; the nearest before it is ${seen.preview.event}: look at its preview.`,
      );
    }
    return context.inTenant(async (tx) => {
      const id = await answerCommand(tx, context, ...command, () =>
        requestReset(tx, context, input, seen),
      );
      return promotionView(await getPromotion(tx, id));
    });
  }

  /** Asks for another attempt at once of what fails. */
  async resume(context: GraphqlContext, input: ResumePromotionInput): Promise<PromotionView> {
    const { promotion, reason, idempotencyKey } = input;
    return context.inTenant(async (tx) => {
      const id = await answerCommand(
        tx,
        context,
        'resumePromotion',
        idempotencyKey,
        { promotion, reason },
        () => requestResume(tx, context, promotion, reason),
      );
      return promotionView(await getPromotion(tx, id));
    });
  }

  async #look(
    context: GraphqlContext,
    { promotionId, startedAt }: PromotionRecord,
    event: number | undefined,
  ): Promise<Previewed> {
    const { tenantId } = principalOf(context);
    const answer = await this.#parts.engine.previewReset({ tenantId, promotionId }, event);
    switch (answer.kind) {
      case 'preview':
        return answer;
      case 'impossible':
        throw stateConflict('reset-impossible', `${promotionId}: ${answer.message}`);
      case 'unknown':
        throw stateConflict(
          'promotion-not-started',
          startedAt === null
            ? `The workflow of ${promotionId} has not started yet; wait for it, or cancel.`
            : `The engine does not know the workflow of ${promotionId} any more; the watchdog ends and seals it.`,
        );
      case 'unavailable':
        throw engineUnavailable(
          answer.code,
          `The engine did not tell the history of ${promotionId} in time, and nothing was changed; ask again.`,
        );
    }
  }
}

async function requirePromotion(tx: Tx, promotionId: string): Promise<PromotionRecord> {
  const promotion = await findPromotion(tx, promotionId);
  if (promotion !== undefined) return promotion;
  throw notFound('promotion-unknown', `There is no promotion ${promotionId}; list promotions.`);
}

/** A sealed packet says how it ended: nothing may happen behind it any more. */
async function findResettable(tx: Tx, promotionId: string): Promise<PromotionRecord> {
  const promotion = await requirePromotion(tx, promotionId);
  if (promotion.packetDigest !== null) {
    throw stateConflict(
      'promotion-sealed',
      `Promotion ${promotionId} has ended (${promotion.state}) and is sealed; promote the release again.`,
    );
  }
  if (await isExecutionOpen(tx, settlementWorkflowId(tx.tenantId, promotionId))) {
    throw stateConflict(
      'promotion-settling',
      `A settlement ends promotion ${promotionId}; wait for its end, then promote the release again.`,
    );
  }
  return promotion;
}

async function requestReset(
  tx: Tx,
  context: GraphqlContext,
  { promotion, event, reason }: ResetPromotionInput,
  { runId, preview: { lastEvent } }: Previewed,
): Promise<string> {
  // The engine was asked outside of a transaction: it may have been sealed meanwhile.
  await findResettable(tx, promotion);
  const { tenantId, principalId } = principalOf(context);
  await insertEvent(tx, {
    type: 'promotion.reset-requested',
    actor: `principal:${principalId}`,
    subject: `promotion:${promotion}`,
    promotionId: promotion,
    data: { reason, event, lastEvent, runId },
    traceId: context.traceId,
  });
  await enqueueOutbox(tx, {
    kind: 'reset-workflow',
    body: {
      workflowId: promotionWorkflowId(tenantId, promotion),
      runId,
      eventId: event,
      reason: `${principalId}: ${reason}`,
      requestId: randomUUID(),
    },
  });
  return promotion;
}

/** What waits for its next attempt longer than people like; the others go away by themselves when their cause does. */
function isHurried({ code }: WorkflowProblemRecord): boolean {
  return code === 'activity-failing';
}

function whyNothing(promotionId: string, problems: readonly WorkflowProblemRecord[]): string {
  return problems.some(({ code }) => code === 'workflow-task-failing')
    ? `The code of ${promotionId}'s workflow throws, and another attempt would throw again; deploy a fix: the engine tries it again within seconds once fixed code runs.`
    : `Nothing of ${promotionId} waits for its next attempt after a failure; look at its problem and its steps.`;
}

async function requestResume(
  tx: Tx,
  context: GraphqlContext,
  promotionId: string,
  reason: string,
): Promise<string> {
  await requirePromotion(tx, promotionId);
  const known = await listProblemsOf(tx, [promotionId]);
  const problems = known.filter(isHurried);
  if (problems.length === 0) {
    throw stateConflict('nothing-to-resume', whyNothing(promotionId, known));
  }
  await insertEvent(tx, {
    type: 'promotion.resume-requested',
    actor: `principal:${principalOf(context).principalId}`,
    subject: `promotion:${promotionId}`,
    promotionId,
    data: { reason, problems: problems.map(({ code }) => code) },
    traceId: context.traceId,
  });
  for (const { workflowId } of problems) {
    await enqueueOutbox(tx, { kind: 'retry-activity', body: { workflowId } });
  }
  return promotionId;
}
