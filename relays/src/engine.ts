import type { createTemporalClient } from '@sluice/temporal-client';
import { SEARCH_ATTRIBUTES } from '@sluice/temporal-contract';
import {
  defineSearchAttributeKey,
  SearchAttributeType,
  TypedSearchAttributes,
} from '@temporalio/common';

/** What a start is given. */
export interface WorkflowStart {
  readonly workflowId: string;
  readonly workflowType: string;
  readonly taskQueue: string;
  readonly input: unknown;
  readonly searchAttributes: {
    readonly tenant: string;
    readonly environment?: string;
    readonly release?: string;
  };
  /** Starts it again when the last run of this id failed, was terminated or ran out of time. */
  readonly restart?: 'after-failure';
}

/** What the engine knows of a workflow id; `unknown` also when it has forgotten one that closed long ago. */
export type WorkflowState = 'running' | 'closed' | 'unknown';

/** Names one asynchronous activity. */
export interface ActivityPlace {
  readonly workflowId: string;
  readonly runId: string;
  readonly activityId: string;
}

/** The durable engine as the relay needs it. Everything but the answers below is thrown and tried again. */
export interface Engine {
  /** `existing` when a run of this id is there, or was (with `restart`: and succeeded): it was delivered before. */
  startWorkflow(start: WorkflowStart): Promise<'started' | 'existing'>;
  /** `gone` when there is no open run of this id. */
  signalWorkflow(workflowId: string, signal: string, input: unknown): Promise<'sent' | 'gone'>;
  /** `gone` when the activity is over, or waits for its next attempt, which reads the records itself. */
  completeActivity(place: ActivityPlace, result: unknown): Promise<'completed' | 'gone'>;
  /** Ends an open run at once, whatever its code does; `gone` when there is none. */
  terminateWorkflow(workflowId: string, reason: string): Promise<'terminated' | 'gone'>;
  /** State of the newest run of this id. */
  findWorkflowState(workflowId: string): Promise<WorkflowState>;
}

type Client = Awaited<ReturnType<typeof createTemporalClient>>;

/** Milliseconds that one call may take. */
const CALL_DEADLINE_MS = 10_000;

/** Every other state, one that is not known here included, counts as running: nothing is ended by mistake. */
const CLOSED: ReadonlySet<string> = new Set([
  'COMPLETED',
  'FAILED',
  'CANCELLED',
  'TERMINATED',
  'TIMED_OUT',
]);

const KEYS = {
  tenant: defineSearchAttributeKey(SEARCH_ATTRIBUTES.tenant, SearchAttributeType.KEYWORD),
  environment: defineSearchAttributeKey(SEARCH_ATTRIBUTES.environment, SearchAttributeType.KEYWORD),
  release: defineSearchAttributeKey(SEARCH_ATTRIBUTES.release, SearchAttributeType.KEYWORD),
};

/** The engine behind a Temporal client whose payload codec picks its key by the workflow's id. */
export function createTemporalEngine(client: Client): Engine {
  const within = <T>(call: () => Promise<T>): Promise<T> =>
    client.withDeadline(Date.now() + CALL_DEADLINE_MS, call);
  return {
    startWorkflow: (start) =>
      within(() =>
        answerOr(
          async () => {
            await client.workflow.start(start.workflowType, {
              workflowId: start.workflowId,
              taskQueue: start.taskQueue,
              args: [start.input],
              typedSearchAttributes: searchAttributesOf(start),
              // A second start of the same request is refused, and that is its answer.
              workflowIdConflictPolicy: 'FAIL',
              workflowIdReusePolicy:
                start.restart === 'after-failure'
                  ? 'ALLOW_DUPLICATE_FAILED_ONLY'
                  : 'REJECT_DUPLICATE',
            });
            return 'started' as const;
          },
          'WorkflowExecutionAlreadyStartedError',
          'existing' as const,
        ),
      ),
    signalWorkflow: (workflowId, signal, input) =>
      within(() =>
        answerOr(
          async () => {
            await client.workflow.getHandle(workflowId).signal(signal, input);
            return 'sent' as const;
          },
          'WorkflowNotFoundError',
          'gone' as const,
        ),
      ),
    completeActivity: (place, result) =>
      within(() =>
        answerOr(
          async () => {
            await client.activity.complete({ ...place }, result);
            return 'completed' as const;
          },
          'ActivityNotFoundError',
          'gone' as const,
        ),
      ),
    terminateWorkflow: (workflowId, reason) =>
      within(() =>
        answerOr(
          async () => {
            await client.workflow.getHandle(workflowId).terminate(reason);
            return 'terminated' as const;
          },
          'WorkflowNotFoundError',
          'gone' as const,
        ),
      ),
    findWorkflowState: (workflowId) =>
      within(() =>
        answerOr(
          async () => {
            const { status } = await client.workflow.getHandle(workflowId).describe();
            return CLOSED.has(status.name) ? ('closed' as const) : ('running' as const);
          },
          'WorkflowNotFoundError',
          'unknown' as const,
        ),
      ),
  };
}

function searchAttributesOf({ searchAttributes }: WorkflowStart): TypedSearchAttributes {
  const { tenant, environment, release } = searchAttributes;
  return new TypedSearchAttributes([
    { key: KEYS.tenant, value: tenant },
    ...(environment === undefined ? [] : [{ key: KEYS.environment, value: environment }]),
    ...(release === undefined ? [] : [{ key: KEYS.release, value: release }]),
  ]);
}

async function answerOr<T, E>(
  call: () => Promise<T>,
  errorName: string,
  answer: E,
): Promise<T | E> {
  try {
    return await call();
  } catch (error) {
    if ((error as { name?: unknown } | null)?.name === errorName) return answer;
    throw error;
  }
}
