import type { WorkflowProblem, WorkflowProblemCode } from '@sluice/domain';
import type { Queryable } from '../pool.ts';
import type { Tx } from '../transaction.ts';
import { firstOf } from './single-row.ts';
import { storableText } from './storable.ts';

/** What keeps one workflow from going on, and since when. */
export interface WorkflowProblemRecord extends WorkflowProblem {
  readonly workflowId: string;
  /** Null for a workflow of no promotion. */
  readonly promotionId: string | null;
  readonly since: string;
}

/** What a change of a workflow's problem came to. */
export type ProblemChange = 'begun' | 'changed' | 'same';

const COLUMNS = `workflow_id as "workflowId", promotion_id as "promotionId", code, message, cause, attempt,
  event_number as event, activity, build_id as "buildId", first_seen_at as since`;

/**
 * Stores what keeps a workflow from going on, in the place of what was stored before. `begun` when it had no problem,
 * `changed` when it had one of another code (then it counts from now on).
 */
export async function upsertProblem(
  tx: Tx,
  workflowId: string,
  problem: WorkflowProblem,
): Promise<ProblemChange> {
  const before = firstOf(
    await tx.query<{ code: WorkflowProblemCode }>(
      `select code from sluice.workflow_problems where tenant_id = $1 and workflow_id = $2 for update`,
      [tx.tenantId, workflowId],
    ),
  );
  const { rows } = await tx.query<{ inserted: boolean }>(
    `insert into sluice.workflow_problems as p (tenant_id, workflow_id, code, message, cause, attempt, event_number,
       activity, build_id)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     on conflict (tenant_id, workflow_id) do update
       set code = excluded.code, message = excluded.message, cause = excluded.cause, attempt = excluded.attempt,
           event_number = excluded.event_number, activity = excluded.activity, build_id = excluded.build_id,
           first_seen_at = case when p.code = excluded.code then p.first_seen_at else now() end,
           last_seen_at = now()
     returning xmax = 0 as inserted`,
    [
      tx.tenantId,
      workflowId,
      problem.code,
      storableText(problem.message),
      problem.cause === null ? null : storableText(problem.cause),
      Math.max(1, problem.attempt),
      problem.event,
      problem.activity,
      problem.buildId,
    ],
  );
  // Somebody else who stored it in the same moment has begun it.
  if (before === undefined) return rows[0]?.inserted === true ? 'begun' : 'same';
  return before.code === problem.code ? 'same' : 'changed';
}

/** Forgets the problem of a workflow that goes on; gives its code, or undefined when it had none. */
export async function clearProblem(
  tx: Tx,
  workflowId: string,
): Promise<WorkflowProblemCode | undefined> {
  const row = firstOf(
    await tx.query<{ code: WorkflowProblemCode }>(
      `delete from sluice.workflow_problems where tenant_id = $1 and workflow_id = $2 returning code`,
      [tx.tenantId, workflowId],
    ),
  );
  return row?.code;
}

/** The problems of these promotions' workflows and of what settles them, oldest first: for a batch loader. */
export async function listProblemsOf(
  tx: Tx,
  promotionIds: readonly string[],
): Promise<readonly WorkflowProblemRecord[]> {
  const { rows } = await tx.query<WorkflowProblemRecord>(
    `select ${COLUMNS} from sluice.workflow_problems
      where tenant_id = $1 and promotion_id = any($2)
      order by promotion_id, first_seen_at, workflow_id`,
    [tx.tenantId, promotionIds],
  );
  return rows;
}

/** All problems of the tenant, oldest first; at most 10,000. */
export async function listProblems(tx: Tx): Promise<readonly WorkflowProblemRecord[]> {
  const { rows } = await tx.query<WorkflowProblemRecord>(
    `select ${COLUMNS} from sluice.workflow_problems
      where tenant_id = $1
      order by first_seen_at, workflow_id
      limit 10000`,
    [tx.tenantId],
  );
  return rows;
}

/** A workflow that was asked for and is not archived yet, of whatever tenant. */
export interface OpenExecutionRecord {
  readonly tenantId: string;
  readonly workflowId: string;
  readonly workflowType: string;
  /** Null for a workflow of no promotion. */
  readonly promotionId: string | null;
}

/**
 * Workflows of all tenants that were asked for longer ago and are not archived, in the order of tenant and id; at most
 * `limit`. The next page begins behind `after`. For the role sluice_watchdog.
 */
export async function listOpenExecutions(
  database: Queryable,
  input: {
    readonly olderThanSeconds: number;
    readonly limit: number;
    readonly after?: Pick<OpenExecutionRecord, 'tenantId' | 'workflowId'> | undefined;
  },
): Promise<readonly OpenExecutionRecord[]> {
  const { rows } = await database.query<OpenExecutionRecord>(
    `select tenant_id as "tenantId", workflow_id as "workflowId", workflow_type as "workflowType",
            promotion_id as "promotionId"
       from sluice.workflow_executions
      where archived_at is null and lost_at is null
        and requested_at < now() - make_interval(secs => $1)
        and (tenant_id, workflow_id) > ($2, $3)
      order by tenant_id, workflow_id
      limit $4`,
    [
      input.olderThanSeconds,
      input.after?.tenantId ?? '',
      input.after?.workflowId ?? '',
      input.limit,
    ],
  );
  return rows;
}
