import { Inject, Injectable } from '@nestjs/common';
import {
  findPromotion,
  getPromotion,
  type HistoryRecord,
  insertEvent,
  listHistoriesOf,
  type Tx,
} from '@sluice/persistence';
import { answerCommand } from '../common/answer-command.ts';
import { type GraphqlContext, principalOf } from '../common/graphql-context.ts';
import { notFound, type RefusalException, stateConflict } from '../common/refusal.ts';
import { GRAPHQL_PARTS, type GraphqlParts } from '../common/tokens.ts';
import { promotionView } from '../promotion/promotion.view.ts';
import type { ExportHistoriesInput } from './export-histories.input.ts';
import { readDocuments } from './history-documents.ts';

/** Hands out archived histories. That somebody reads them is recorded first: nothing is read without its event. */
@Injectable()
export class HistoryCommands {
  readonly #parts: GraphqlParts;

  constructor(@Inject(GRAPHQL_PARTS) parts: GraphqlParts) {
    this.#parts = parts;
  }

  /** The histories of a promotion and of what settled it; a repeated key gives the same ones and is one event. */
  async export(context: GraphqlContext, input: ExportHistoriesInput) {
    const { promotion, form, reason, idempotencyKey } = input;
    const { record, histories } = await context.inTenant(async (tx) => {
      const runs = await answerCommand(
        tx,
        context,
        'exportHistories',
        idempotencyKey,
        { promotion, form, reason },
        () => chooseRuns(tx, context, input),
      );
      const archived = await listHistoriesOf(tx, [promotion]);
      return {
        record: await getPromotion(tx, promotion),
        histories: archived.filter(({ runId }) => runs.includes(runId)).filter(isThere),
      };
    });
    // Asked for again after their time was over.
    if (histories.length === 0) throw expired(promotion);
    const documents = await readDocuments(this.#parts, histories, form);
    return {
      __typename: 'ExportedHistories' as const,
      promotion: promotionView(record),
      form,
      documents,
    };
  }
}

/** Ids of the runs whose files are there, with the event that they are read. */
async function chooseRuns(
  tx: Tx,
  context: GraphqlContext,
  { promotion, form, reason }: ExportHistoriesInput,
): Promise<readonly string[]> {
  if ((await findPromotion(tx, promotion)) === undefined) {
    throw notFound('promotion-unknown', `There is no promotion ${promotion}; list promotions.`);
  }
  const archived = await listHistoriesOf(tx, [promotion]);
  if (archived.length === 0) {
    throw stateConflict(
      'history-not-archived',
      `Nothing is archived of ${promotion} yet; its history is a few seconds after its workflow has closed.`,
    );
  }
  const runs = archived.filter(isThere).map(({ runId }) => runId);
  if (runs.length === 0) throw expired(promotion);
  await insertEvent(tx, {
    type: 'history.read',
    actor: `principal:${principalOf(context).principalId}`,
    subject: `promotion:${promotion}`,
    promotionId: promotion,
    data: { form: form.toLowerCase(), reason, runs },
    traceId: context.traceId,
  });
  return runs;
}

function isThere({ expiredAt }: HistoryRecord): boolean {
  return expiredAt === null;
}

function expired(promotion: string): RefusalException {
  return stateConflict(
    'history-expired',
    `The histories of ${promotion} were removed by the tenant's rule; their statements are still there, and an earlier export replays.`,
  );
}
