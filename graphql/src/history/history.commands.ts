import { Inject, Injectable } from '@nestjs/common';
import {
  bundleDigestsOfBuilds,
  findPromotion,
  getPromotion,
  type HistoryRecord,
  insertEvent,
  isExecutionOpen,
  listHistoriesOf,
  type Tx,
} from '@sluice/persistence';
import { buildIdsOf } from '@sluice/temporal-client';
import { promotionWorkflowId, settlementWorkflowId } from '@sluice/temporal-contract';
import { answerCommand } from '../common/answer-command.ts';
import type { EngineHistory } from '../common/engine-client.ts';
import { type GraphqlContext, principalOf } from '../common/graphql-context.ts';
import {
  engineUnavailable,
  notFound,
  type RefusalException,
  stateConflict,
} from '../common/refusal.ts';
import { GRAPHQL_PARTS, type GraphqlParts } from '../common/tokens.ts';
import { promotionView } from '../promotion/promotion.view.ts';
import type { ExportHistoriesInput } from './export-histories.input.ts';
import { archivedSource, writeDocuments } from './history-documents.ts';
import { liveSource } from './live-documents.ts';

/** Hands out histories. That somebody reads them is recorded first: nothing is handed out without its event. */
@Injectable()
export class HistoryCommands {
  readonly #parts: GraphqlParts;

  constructor(@Inject(GRAPHQL_PARTS) parts: GraphqlParts) {
    this.#parts = parts;
  }

  /** The histories of a promotion and of what settled it; a repeated key gives the same runs and is one event. */
  async export(context: GraphqlContext, input: ExportHistoriesInput) {
    const { promotion, form, reason, idempotencyKey } = input;
    const told = await this.#readLive(context, promotion);
    const { record, archived, live, bundles } = await context.inTenant(async (tx) => {
      const all = await listHistoriesOf(tx, [promotion]);
      // One that was read from the engine may have been archived since.
      const fresh = told.filter(({ runId }) => !all.some((one) => one.runId === runId));
      const runs = await answerCommand(
        tx,
        context,
        'exportHistories',
        idempotencyKey,
        { promotion, form, reason },
        () => chooseRuns(tx, context, input, all, fresh),
      );
      const isChosen = ({ runId }: { readonly runId: string }): boolean => runs.includes(runId);
      const live = fresh.filter(isChosen);
      const builds = live.flatMap(({ history }) => buildIdsOf(history));
      return {
        record: await getPromotion(tx, promotion),
        archived: all.filter(isChosen).filter(isThere),
        live,
        bundles: await bundleDigestsOfBuilds(tx, builds),
      };
    });
    // Asked for again after their time was over.
    if (archived.length + live.length === 0) throw expired(promotion);
    const { tenantId } = principalOf(context);
    const liveParts = { codecKeys: this.#parts.codecKeys, tenantId, bundles };
    const sources = [
      ...archived.map((one) => archivedSource(this.#parts, one, form)),
      ...live.map((run) => liveSource(liveParts, run, form)),
    ];
    return {
      __typename: 'ExportedHistories' as const,
      promotion: promotionView(record),
      form,
      documents: await writeDocuments(sources, form),
    };
  }

  /** What only the engine knows yet; asked outside of a transaction, for it may take its time. */
  async #readLive(context: GraphqlContext, promotion: string): Promise<readonly EngineHistory[]> {
    const known = await context.inTenant((tx) => findArchived(tx, promotion));
    if (known.isWhole) return [];
    const { tenantId } = principalOf(context);
    const ref = { tenantId, promotionId: promotion };
    const answer = await this.#parts.engine.readHistories(ref, known.runs);
    switch (answer.kind) {
      case 'histories':
        return answer.runs;
      case 'too-large':
        throw stateConflict('history-too-large', answer.message);
      case 'unavailable':
        // What is archived can be had whatever became of the engine.
        if (known.runs.length > 0) return [];
        throw engineUnavailable(
          answer.code,
          `The engine did not tell the history of ${promotion} in time, and it is not archived yet; ask again.`,
        );
    }
  }
}

/** Ids of the archived runs, and whether the engine can add to them. */
async function findArchived(
  tx: Tx,
  promotion: string,
): Promise<{ readonly runs: readonly string[]; readonly isWhole: boolean }> {
  if ((await findPromotion(tx, promotion)) === undefined) {
    throw notFound('promotion-unknown', `There is no promotion ${promotion}; list promotions.`);
  }
  const runs = (await listHistoriesOf(tx, [promotion])).map(({ runId }) => runId);
  const isOpen =
    (await isExecutionOpen(tx, promotionWorkflowId(tx.tenantId, promotion))) ||
    (await isExecutionOpen(tx, settlementWorkflowId(tx.tenantId, promotion)));
  return { runs, isWhole: !isOpen };
}

/** Ids of the runs that can be had, with the event that they are read. */
async function chooseRuns(
  tx: Tx,
  context: GraphqlContext,
  { promotion, form, reason }: ExportHistoriesInput,
  archived: readonly HistoryRecord[],
  live: readonly EngineHistory[],
): Promise<readonly string[]> {
  if (archived.length + live.length === 0) {
    throw stateConflict(
      'history-not-archived',
      `There is no history of ${promotion}: its workflow has not begun yet, or the engine forgot it before it was archived.`,
    );
  }
  const runs = [...archived.filter(isThere), ...live].map(({ runId }) => runId);
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
