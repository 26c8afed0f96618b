import { Injectable } from '@nestjs/common';
import {
  type DiscrepancyRecord,
  insertEvent,
  listDiscrepancies,
  readReconciliation,
  requestRepairs,
  type Tx,
} from '@sluice/persistence';
import { answerCommand } from '../common/answer-command.ts';
import { type GraphqlContext, principalOf } from '../common/graphql-context.ts';
import { notFound, stateConflict } from '../common/refusal.ts';
import type { ReconcileInput } from './reconcile.input.ts';
import { isRepairable, reconciliationView } from './reconcile.view.ts';

/** Asks the watchdog to mend what disagrees; it does, in its own time, and the rows tell what came of it. */
@Injectable()
export class ReconcileCommands {
  /** Asks for repairs, all or none; gives what disagrees as it is then. */
  async request(context: GraphqlContext, { discrepancies, idempotencyKey }: ReconcileInput) {
    return context.inTenant(async (tx) => {
      await answerCommand(tx, context, 'reconcile', idempotencyKey, { discrepancies }, () =>
        request(tx, context, discrepancies),
      );
      return reconciliationView(await readReconciliation(tx));
    });
  }
}

async function request(
  tx: Tx,
  context: GraphqlContext,
  ids: readonly string[],
): Promise<readonly string[]> {
  const shown = await listDiscrepancies(tx);
  const byId = new Map(shown.map((record) => [record.discrepancyId, record]));
  const wanted = ids.map((id) => requireRepairable(byId.get(id), id));
  const { principalId } = principalOf(context);
  const requested = await requestRepairs(tx, ids, principalId);
  for (const { discrepancyId, code, subject, repairRequestedAt } of wanted) {
    // Asked for before, or gone in this moment: nothing was asked for now.
    if (repairRequestedAt !== null || !requested.includes(discrepancyId)) continue;
    await insertEvent(tx, {
      type: 'discrepancy.repair-requested',
      actor: `principal:${principalId}`,
      subject,
      data: { code },
      traceId: context.traceId,
    });
  }
  return requested;
}

function requireRepairable(record: DiscrepancyRecord | undefined, id: string): DiscrepancyRecord {
  if (record === undefined) {
    throw notFound(
      'discrepancy-unknown',
      `There is no discrepancy ${id} now; it may have been mended: ask for the reconciliation again.`,
    );
  }
  if (isRepairable(record)) return record;
  throw stateConflict('not-repairable', `There is no repair for ${id}. ${record.remedy}`);
}
