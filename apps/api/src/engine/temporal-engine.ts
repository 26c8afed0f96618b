import { APPROVAL_REFUSALS } from '@sluice/domain';
import type {
  DecideAnswer,
  EngineClient,
  HistoriesAnswer,
  ResetPreviewAnswer,
  SteerAnswer,
  UpdateRefusal,
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
  STEER_ROLLOUT,
  type SteerRolloutInput,
  type SteerRolloutResult,
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

  async function explainSilence<Code extends string>(
    client: TemporalClient,
    unanswered: Code,
  ): Promise<UpdateRefusal<Code>> {
    try {
      await probe(client);
      return { kind: 'unavailable', code: unanswered };
    } catch {
      giveUp(client);
      return UNREACHABLE;
    }
  }

  /** A run that takes no Update is closed, or is not there yet. */
  async function explainAbsence<Code extends string>(
    client: TemporalClient,
    id: string,
    unanswered: Code,
  ): Promise<UpdateRefusal<Code>> {
    try {
      const { connection, workflow } = client;
      await connection.withDeadline(Date.now() + PROBE_DEADLINE_MS, () =>
        workflow.getHandle(id).describe(),
      );
      return { kind: 'ended' };
    } catch (error) {
      if (isNamed(error, 'WorkflowNotFoundError')) return { kind: 'not-started' };
      return explainSilence(client, unanswered);
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
      await probe(client).catch(() => giveUp(client));
      return UNREACHABLE;
    }
  }

  return {
    decideApproval: (promotion, input) =>
      update<DecideApprovalInput, DecideApprovalResult, DecideAnswer, 'approval-unanswered'>(
        promotion,
        { name: PROMOTION_MESSAGES.decideApproval, updateId: input.approvalId, input },
        (result) => ({ kind: 'decided', result }),
        {
          isKnown: isApprovalRefusal,
          other: 'approval-not-recorded',
          unanswered: 'approval-unanswered',
        },
      ),
    steerRollout: (promotion, input) =>
      update<SteerRolloutInput, SteerRolloutResult, SteerAnswer, 'steer-unanswered'>(
        promotion,
        { name: STEER_ROLLOUT, updateId: input.steerId, input },
        (result) => ({ kind: 'steered', result }),
        { isKnown: isSteerRefusal, other: 'steer-not-recorded', unanswered: 'steer-unanswered' },
      ),
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

  /** Executes an Update of a promotion's workflow, and tells what is an answer from what is a fault. */
  async function update<Input, Result, Answer, Code extends string>(
    { tenantId, promotionId }: PromotionRef,
    asked: { readonly name: string; readonly updateId: string; readonly input: Input },
    answer: (result: Result) => Answer,
    words: RefusalWords<Code>,
  ): Promise<Answer | UpdateRefusal<Code>> {
    const client = await connect().catch(() => undefined);
    if (client === undefined) return UNREACHABLE;
    const id = promotionWorkflowId(tenantId, promotionId);
    const { connection, workflow } = client;
    const { name, updateId, input } = asked;
    const { unanswered } = words;
    try {
      const result = await connection.withDeadline(Date.now() + updateDeadlineMs, () =>
        workflow.getHandle(id).executeUpdate<Result, [Input]>(name, { args: [input], updateId }),
      );
      return answer(result);
    } catch (error) {
      if (isNamed(error, 'WorkflowUpdateFailedError')) return answerOfFailure(error, words);
      if (isNamed(error, 'WorkflowNotFoundError')) return explainAbsence(client, id, unanswered);
      const isSilence =
        isNamed(error, 'WorkflowUpdateRPCTimeoutOrCancelledError') || hasGrpcCode(error, SILENCE);
      if (isSilence) return explainSilence(client, unanswered);
      // Its workflow's code fails in every task: nobody is there to take it until that is mended.
      if (hasGrpcCode(error, ['FAILED_PRECONDITION'])) {
        return { kind: 'unavailable', code: unanswered };
      }
      throw error;
    }
  }
}

/** How the failures of one Update are told. */
interface RefusalWords<Unanswered extends string> {
  /** True for the codes under which its validator refuses. */
  readonly isKnown: (code: string) => boolean;
  /** It was admitted, and could not be recorded. */
  readonly other: string;
  /** No worker took it. */
  readonly unanswered: Unanswered;
}

const isApprovalRefusal = (code: string): boolean =>
  (APPROVAL_REFUSALS as readonly string[]).includes(code);
const isSteerRefusal = (code: string): boolean =>
  code === 'role-not-permitted' || /^rollout-[a-z-]+$/.test(code);

/** The engine's own word for an Update whose run closed before it was through. */
const CLOSED_MEANWHILE = 'AcceptedUpdateCompletedWorkflow';

function answerOfFailure<Code extends string>(
  error: unknown,
  { isKnown, other }: RefusalWords<Code>,
): UpdateRefusal<Code> {
  const { type = '', message } = rootFailure(error);
  if (type === CLOSED_MEANWHILE) return { kind: 'ended' };
  // Asking again for what was not recorded gives the same answer.
  return { kind: 'refused', code: isKnown(type) ? type : other, message };
}
