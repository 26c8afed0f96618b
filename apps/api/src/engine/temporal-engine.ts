import { APPROVAL_REFUSALS } from '@sluice/domain';
import type {
  DecideAnswer,
  EngineClient,
  HistoriesAnswer,
  ResetPreviewAnswer,
} from '@sluice/graphql';
import {
  type CodecKeys,
  createPayloadCodec,
  createTemporalClient,
  fetchHistory,
  previewReset,
} from '@sluice/temporal-client';
import {
  type DecideApprovalInput,
  type DecideApprovalResult,
  PROMOTION_MESSAGES,
  type PromotionRef,
  promotionWorkflowId,
} from '@sluice/temporal-contract';
import { hasGrpcCode, isNamed, rootFailure } from './engine-errors.ts';
import { isTooLarge, readHistories } from './read-histories.ts';

type TemporalClient = Awaited<ReturnType<typeof createTemporalClient>>;

/** With the question whether it is the engine or the worker that is away, a mutation answers within 10 s. */
const UPDATE_DEADLINE_MS = 8500;
/** With connecting, a preview answers within 10 s. */
const READ_DEADLINE_MS = 8500;
const PROBE_DEADLINE_MS = 1000;
const CONNECT_DEADLINE_MS = 1500;

/** What says that nobody answered in time. */
const SILENCE = ['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED'] as const;

/** Calls that are under way on a connection that was given up may still come to their end. */
const LINGER_MS = 15_000;

const UNREACHABLE = { kind: 'unavailable', code: 'engine-unreachable' } as const;
type Unreachable = typeof UNREACHABLE;

/** The engine as the API reaches it. */
export interface TemporalEngine extends EngineClient {
  /** Rejects when the engine or the namespace is not there. */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** How it is reached; only the last one may be left out. */
export interface TemporalEngineOptions {
  /** `host:port`. */
  readonly address: string;
  readonly namespace: string;
  readonly codecKeys: CodecKeys;
  /** How long a decision may take; 8.5 s when absent. */
  readonly updateDeadlineMs?: number;
}

/** Connects when it is first needed, and again after a failure: the API starts and reads while the engine is away. */
export function createTemporalEngine(options: TemporalEngineOptions): TemporalEngine {
  const { namespace, updateDeadlineMs = UPDATE_DEADLINE_MS } = options;
  let connecting: Promise<TemporalClient> | undefined;
  const connect = (): Promise<TemporalClient> => {
    if (connecting !== undefined) return connecting;
    const attempt = createTemporalClient({ ...options, connectTimeoutMs: CONNECT_DEADLINE_MS });
    connecting = attempt;
    attempt.catch(() => {
      if (connecting === attempt) connecting = undefined;
    });
    return attempt;
  };
  /** A connection that has failed waits longer and longer before it tries again; a new one tries at once. */
  const giveUp = (client: TemporalClient): void => {
    connecting = undefined;
    setTimeout(() => void client.connection.close().catch(() => undefined), LINGER_MS).unref();
  };

  async function probe(client: TemporalClient): Promise<void> {
    const { connection } = client;
    await connection.withDeadline(Date.now() + PROBE_DEADLINE_MS, () =>
      connection.workflowService.describeNamespace({ namespace }),
    );
  }

  async function explainSilence(client: TemporalClient): Promise<DecideAnswer> {
    try {
      await probe(client);
      return { kind: 'unavailable', code: 'approval-unanswered' };
    } catch {
      giveUp(client);
      return { kind: 'unavailable', code: 'engine-unreachable' };
    }
  }

  /** A run that does not take a decision is closed, or is not there yet. */
  async function explainAbsence(client: TemporalClient, id: string): Promise<DecideAnswer> {
    try {
      const { connection, workflow } = client;
      await connection.withDeadline(Date.now() + PROBE_DEADLINE_MS, () =>
        workflow.getHandle(id).describe(),
      );
      return { kind: 'ended' };
    } catch (error) {
      if (isNamed(error, 'WorkflowNotFoundError')) return { kind: 'not-started' };
      return explainSilence(client);
    }
  }

  /** Reads from the engine; `explain` knows errors that are answers. */
  async function read<Answer>(
    reading: (client: TemporalClient) => Promise<Answer>,
    explain: (error: unknown) => Answer | undefined,
  ): Promise<Answer | Unreachable> {
    const client = await connect().catch(() => undefined);
    if (client === undefined) return UNREACHABLE;
    try {
      return await reading(client);
    } catch (error) {
      const answer = explain(error);
      if (answer !== undefined) return answer;
      if (!hasGrpcCode(error, SILENCE)) throw error;
      // A history that is only slow to read costs nobody else the connection.
      await explainSilence(client);
      return UNREACHABLE;
    }
  }

  return {
    async decideApproval(promotion, input) {
      const client = await connect().catch(() => undefined);
      if (client === undefined) return UNREACHABLE;
      const id = promotionWorkflowId(promotion.tenantId, promotion.promotionId);
      try {
        return { kind: 'decided', result: await update(client, id, input) };
      } catch (error) {
        if (isNamed(error, 'WorkflowUpdateFailedError')) return answerOfFailure(error);
        if (isNamed(error, 'WorkflowNotFoundError')) return explainAbsence(client, id);
        const isSilence =
          isNamed(error, 'WorkflowUpdateRPCTimeoutOrCancelledError') || hasGrpcCode(error, SILENCE);
        if (isSilence) return explainSilence(client);
        // Its workflow's code fails in every task: nobody is there to take it until that is mended.
        if (hasGrpcCode(error, ['FAILED_PRECONDITION'])) {
          return { kind: 'unavailable', code: 'approval-unanswered' };
        }
        throw error;
      }
    },
    previewReset: (promotion, event) =>
      read<ResetPreviewAnswer>(
        (client) => preview(client, promotion, event),
        (error) =>
          isNamed(error, 'WorkflowNotFoundError') || hasGrpcCode(error, ['NOT_FOUND'])
            ? { kind: 'unknown' }
            : undefined,
      ),
    readHistories: (promotion, except) =>
      read<HistoriesAnswer>(
        (client) =>
          client.connection.withDeadline(Date.now() + READ_DEADLINE_MS, () =>
            readHistories(client, promotion, except),
          ),
        (error) =>
          isTooLarge(error) ? { kind: 'too-large', message: (error as Error).message } : undefined,
      ),
    async check() {
      const client = await connect();
      try {
        await probe(client);
      } catch (error) {
        giveUp(client);
        throw error;
      }
    },
    async close() {
      await connecting?.then(
        ({ connection }) => connection.close(),
        () => undefined,
      );
    },
  };

  async function preview(
    client: TemporalClient,
    { tenantId, promotionId }: PromotionRef,
    event: number | undefined,
  ): Promise<ResetPreviewAnswer> {
    const workflowId = promotionWorkflowId(tenantId, promotionId);
    const { runId, history } = await client.connection.withDeadline(
      Date.now() + READ_DEADLINE_MS,
      async () => {
        const { runId } = await client.workflow.getHandle(workflowId).describe();
        return { runId, history: await fetchHistory(client, { workflowId, runId }) };
      },
    );
    const codec = createPayloadCodec(options.codecKeys);
    const answer = await previewReset(history, { event, codec, workflowId });
    if (!answer.ok) return { kind: 'impossible', message: answer.message };
    return { kind: 'preview', runId, preview: answer.preview };
  }

  function update(
    client: TemporalClient,
    id: string,
    input: DecideApprovalInput,
  ): Promise<DecideApprovalResult> {
    const { connection, workflow } = client;
    return connection.withDeadline(Date.now() + updateDeadlineMs, () =>
      workflow
        .getHandle(id)
        .executeUpdate<DecideApprovalResult, [DecideApprovalInput]>(
          PROMOTION_MESSAGES.decideApproval,
          { args: [input], updateId: input.approvalId },
        ),
    );
  }
}

/** The engine's own word for an Update whose run closed before it was through. */
const CLOSED_MEANWHILE = 'AcceptedUpdateCompletedWorkflow';

function answerOfFailure(error: unknown): DecideAnswer {
  const { type, message } = rootFailure(error);
  if (type === CLOSED_MEANWHILE) return { kind: 'ended' };
  const isKnown = (APPROVAL_REFUSALS as readonly string[]).includes(type ?? '');
  // It was admitted, and could not be recorded: it does not count, and asking again gives the same answer.
  return { kind: 'refused', code: isKnown ? String(type) : 'approval-not-recorded', message };
}
