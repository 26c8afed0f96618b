import { type EventType, traceIdOf, type WorkflowProblem } from '@sluice/domain';
import {
  clearProblem,
  findPromotion,
  insertEvent,
  type OpenExecutionRecord,
  type Pool,
  type Tx,
  upsertProblem,
  withTenant,
} from '@sluice/persistence';

/** The workflow that has a problem, or had one. */
export type ProblemPlace = Pick<OpenExecutionRecord, 'tenantId' | 'workflowId' | 'promotionId'>;

/**
 * Stores what keeps a workflow from going on; an event tells of it once per code.
 * @param pool of the role sluice_worker
 * @returns true when it is new
 */
export function recordProblem(
  pool: Pool,
  place: ProblemPlace,
  problem: WorkflowProblem,
): Promise<boolean> {
  return withTenant(pool, place.tenantId, async (tx) => {
    const change = await upsertProblem(tx, place.workflowId, problem);
    if (change === 'same') return false;
    const { code, message, attempt, event, activity, buildId } = problem;
    const data = { code, message, attempt, event, activity, buildId };
    await recordEvent(tx, place, 'promotion.stuck', data);
    return true;
  });
}

/** Forgets the problem of a workflow that goes on or is over; false when it had none. */
export function forgetProblem(pool: Pool, place: ProblemPlace): Promise<boolean> {
  return withTenant(pool, place.tenantId, async (tx) => {
    const code = await clearProblem(tx, place.workflowId);
    if (code === undefined) return false;
    await recordEvent(tx, place, 'promotion.unstuck', { code });
    return true;
  });
}

async function recordEvent(
  tx: Tx,
  { workflowId, promotionId }: ProblemPlace,
  type: EventType,
  data: Readonly<Record<string, unknown>>,
): Promise<void> {
  const promotion = promotionId === null ? undefined : await findPromotion(tx, promotionId);
  await insertEvent(tx, {
    type,
    actor: 'system:watchdog',
    subject: promotion === undefined ? `workflow:${workflowId}` : `promotion:${promotionId}`,
    promotionId: promotion?.promotionId ?? null,
    data: { workflow: workflowId, ...data },
    traceId: promotion === undefined ? null : (traceIdOf(promotion.traceparent) ?? null),
  });
}
