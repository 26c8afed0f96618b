import { traceIdOf } from '@sluice/domain';
import {
  type CommandRecord,
  findRouteChange,
  insertEvent,
  type PromotionRecord,
  putRoute,
  type ReportRecord,
  settleRouteChange,
  type Tx,
} from '@sluice/persistence';
import { digestOf } from '@sluice/pure';
import { statementDigest } from '@sluice/signing';
import type { StepResult } from '@sluice/temporal-contract';
import { failedResult, succeededResult } from '../step/step-type.ts';

/**
 * What a router's agent finally said of a change, with its records and its event, once: the report that is settled again changes nothing and has the
 * same result.
 */
export async function settleRoute(
  tx: Tx,
  promotion: Pick<PromotionRecord, 'promotionId' | 'traceparent'>,
  { commandDigest, target: router }: Pick<CommandRecord, 'commandDigest' | 'target'>,
  { body: report, envelope }: Pick<ReportRecord, 'body' | 'envelope'>,
): Promise<StepResult> {
  const change = await findRouteChange(tx, commandDigest);
  const table = change === undefined ? undefined : digestOf(change.table);
  const outputs = {
    ...(table === undefined ? {} : { table }),
    report: statementDigest(envelope),
  };
  const { stage, failure } = report;
  const isConfirmed = stage === 'confirmed';
  const reason = isConfirmed
    ? null
    : (failure ?? { code: `route-${stage}`, message: 'The agent gave no reason.' });
  const state = isConfirmed ? 'confirmed' : stage === 'refused' ? 'refused' : 'reverted';
  const settled = await settleRouteChange(tx, { commandDigest, state, failure: reason });
  if (settled !== undefined && table !== undefined) {
    const { promotionId } = promotion;
    if (isConfirmed) {
      await putRoute(tx, {
        router,
        table: settled.table,
        tableDigest: table,
        promotionId,
        commandDigest,
      });
    }
    await insertEvent(tx, {
      type: isConfirmed ? 'route.changed' : 'route.kept',
      actor: `agent:${router}`,
      subject: `target:${router}`,
      promotionId,
      data: {
        step: settled.stepId,
        round: settled.round,
        stage: settled.stage,
        canaryPermille: settled.canaryPermille,
        table,
        command: commandDigest,
        ...(reason === null ? {} : { failure: reason.code, outcome: state }),
      },
      traceId: traceIdOf(promotion.traceparent) ?? null,
    });
  }
  if (reason === null) return succeededResult(outputs);
  const { code, message } = reason;
  const text = `Router ${router} ${stage} the change: ${message} Look at the proxy and at its agent's log.`;
  return { ...failedResult(code, text), outputs };
}
