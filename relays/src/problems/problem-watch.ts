import { WORKFLOW_PROBLEM_CODES, type WorkflowProblem } from '@sluice/domain';
import type { Logger, Metrics } from '@sluice/observability';
import {
  listOpenExecutions,
  listProblems,
  listTenantIds,
  type OpenExecutionRecord,
  type Pool,
  withTenant,
} from '@sluice/persistence';
import type { Engine } from '../engine.ts';
import { goesOn, inLanes, type Round } from '../in-lanes.ts';
import type { Relay } from '../outbox-relay.ts';
import { repeat } from '../repeat.ts';
import { findProblem, mayHaveFailedTask, waitingQueues } from './find-problem.ts';
import { forgetProblem, type ProblemPlace, recordProblem } from './record-problem.ts';

/** What the watch over problems is built from. */
export interface ProblemWatchOptions {
  /** Of the role sluice_watchdog, which sees the workflows of all tenants and writes nothing. */
  readonly pool: Pool;
  /** Of the role sluice_worker: writes, in one tenant at a time. */
  readonly workerPool: Pool;
  readonly engine: Pick<Engine, 'describeWorkflow' | 'readTaskFailure' | 'isPolled'>;
  readonly logger: Logger;
  readonly metrics?: Metrics;
  /** Seconds between rounds. */
  readonly periodSeconds: number;
}

const PAGE = 200;

/**
 * Looks at every workflow that is not archived yet: one that does not go on gets a problem with its cause, one that goes on
 * again loses it. Nothing is said of a workflow that the engine did not answer for. Several at once do no harm.
 */
export function startProblemWatch(options: ProblemWatchOptions): Relay {
  const { logger, metrics, periodSeconds } = options;
  const stopping = new AbortController();
  const gauge = metrics?.gauge('sluice_workflow_problems', 'Workflows that do not go on', ['code']);
  const loop = repeat(
    async () => {
      const round: Round = { stopping: stopping.signal, errors: [] };
      const codes = await lookAtAll(options, round);
      if (round.errors.length > 0) throw round.errors[0];
      for (const code of WORKFLOW_PROBLEM_CODES) {
        gauge?.set({ code }, codes.filter((one) => one === code).length);
      }
      return periodSeconds * 1000;
    },
    (error, failures) => logger.warn({ err: error, failures }, 'problem watch: the round failed'),
  );
  return {
    stop: async () => {
      stopping.abort();
      await loop.stop();
    },
  };
}

async function lookAtAll(
  options: ProblemWatchOptions,
  round: Round,
): Promise<readonly WorkflowProblem['code'][]> {
  const { pool, workerPool, logger } = options;
  const known = await listKnown(options);
  const codes: WorkflowProblem['code'][] = [];
  const forget = async (place: ProblemPlace): Promise<void> => {
    if (!known.delete(keyOf(place))) return;
    if (await forgetProblem(workerPool, place))
      logger.info({ ...place }, 'a workflow goes on again');
  };
  const polled = new Map<string, Promise<boolean>>();
  const look = async (place: OpenExecutionRecord): Promise<void> => {
    const problem = await problemOf(options.engine, place.workflowId, polled);
    if (problem === undefined) return forget(place);
    codes.push(problem.code);
    known.delete(keyOf(place));
    if (!(await recordProblem(workerPool, place, problem))) return;
    const { tenantId, workflowId, promotionId } = place;
    logger.error({ tenantId, workflowId, promotionId, ...problem }, 'a workflow does not go on');
  };
  let after: OpenExecutionRecord | undefined;
  do {
    const page: readonly OpenExecutionRecord[] = await listOpenExecutions(pool, {
      olderThanSeconds: 0,
      limit: PAGE,
      after,
    });
    await inLanes(page, look, round);
    after = page.length === PAGE ? page.at(-1) : undefined;
  } while (after !== undefined && goesOn(round));
  // What is left was archived or lost meanwhile, and is over; after errors it may only not have been looked at.
  if (round.errors.length === 0 && !round.stopping.aborted) {
    for (const place of [...known.values()]) await forget(place);
  }
  return codes;
}

async function listKnown({ pool, workerPool }: ProblemWatchOptions) {
  const known = new Map<string, ProblemPlace>();
  for (const tenantId of await listTenantIds(pool)) {
    const problems = await withTenant(workerPool, tenantId, listProblems, { readOnly: true });
    for (const { workflowId, promotionId } of problems) {
      const place = { tenantId, workflowId, promotionId };
      known.set(keyOf(place), place);
    }
  }
  return known;
}

async function problemOf(
  engine: ProblemWatchOptions['engine'],
  workflowId: string,
  polled: Map<string, Promise<boolean>>,
): Promise<WorkflowProblem | undefined> {
  const description = await engine.describeWorkflow(workflowId);
  const { state, runId } = description;
  if (state !== 'running') return undefined;
  const now = Date.now();
  const failure =
    runId !== null && mayHaveFailedTask(description)
      ? await engine.readTaskFailure(workflowId, runId)
      : undefined;
  const unpolled = new Set<string>();
  for (const queue of waitingQueues(description, now)) {
    const answer = polled.get(queue) ?? engine.isPolled(queue);
    polled.set(queue, answer);
    if (!(await answer)) unpolled.add(queue);
  }
  return findProblem({ workflowId, description, failure, unpolled, now });
}

function keyOf({ tenantId, workflowId }: ProblemPlace): string {
  return `${tenantId} ${workflowId}`;
}
