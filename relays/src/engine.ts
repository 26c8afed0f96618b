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
}

/** Names one asynchronous activity. */
export interface ActivityPlace {
  readonly workflowId: string;
  readonly runId: string;
  readonly activityId: string;
}

/** The durable engine as the relay needs it. Everything but the answers below is thrown and tried again. */
export interface Engine {
  /** `existing` when a run of this id is or was there: the request was delivered before. */
  startWorkflow(start: WorkflowStart): Promise<'started' | 'existing'>;
  /** `gone` when there is no open run of this id. */
  signalWorkflow(workflowId: string, signal: string, input: unknown): Promise<'sent' | 'gone'>;
  /** `gone` when the activity is over, or waits for its next attempt, which reads the records itself. */
  completeActivity(place: ActivityPlace, result: unknown): Promise<'completed' | 'gone'>;
}

type Client = Awaited<ReturnType<typeof createTemporalClient>>;

/** Milliseconds that one call may take. */
const CALL_DEADLINE_MS = 10_000;

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
              // One run per id, ever: a second start of the same request is refused, and that is its answer.
              workflowIdConflictPolicy: 'FAIL',
              workflowIdReusePolicy: 'REJECT_DUPLICATE',
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
