import { type ApprovalFacts, admitApproval, tallyVotes } from '@sluice/domain';
import { type History, previewReset, type ResettableHistory } from '@sluice/temporal-client';
import {
  type DecideApprovalInput,
  type DecideApprovalResult,
  type PromotionRef,
  promotionWorkflowId,
} from '@sluice/temporal-contract';
import type {
  DecideAnswer,
  EngineClient,
  HistoriesAnswer,
  ResetPreviewAnswer,
} from '../common/engine-client.ts';

/** One promotion's run as the fake holds it. */
interface Run {
  facts: ApprovalFacts | undefined;
  isClosed: boolean;
  history: ResettableHistory;
  readonly results: Map<string, Promise<DecideApprovalResult>>;
}

/** Of a run whose first workflow task has ended well, and which waits. */
const BEGUN: ResettableHistory = {
  events: [1, 2, 3, 4].map((eventId) => ({
    eventId,
    ...(eventId === 4 ? { workflowTaskCompletedEventAttributes: {} } : {}),
  })) as never,
};

/** How the fake behaves towards what it stands in for. */
export interface InMemoryEngineOptions {
  /** Writes what the workflow's activity would write, once for each admitted decision. */
  readonly record?: (
    promotion: PromotionRef,
    input: DecideApprovalInput,
    state: DecideApprovalResult['state'],
  ) => Promise<void>;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/**
 * Stands in for the engine: runs of promotions in memory, decided by the same rule as the workflow's validator. One test
 * holds it and the real client to the same answers.
 */
export class InMemoryEngineClient implements EngineClient {
  readonly #runs = new Map<string, Run>();
  readonly #record: NonNullable<InMemoryEngineOptions['record']>;
  readonly #now: () => number;
  #missing: 'engine-unreachable' | 'approval-unanswered' | undefined;
  /** Decisions that were handed over, refused ones and repeated ones too. */
  readonly asked: DecideApprovalInput[] = [];

  constructor({ record = async () => undefined, now = Date.now }: InMemoryEngineOptions = {}) {
    this.#record = record;
    this.#now = now;
  }

  /** Begins a run, or changes what it asks for; without facts it waits for nothing now. */
  run(promotion: PromotionRef, facts?: ApprovalFacts): void {
    const run = this.#runs.get(keyOf(promotion));
    if (run === undefined) {
      this.#runs.set(keyOf(promotion), {
        facts,
        isClosed: false,
        history: BEGUN,
        results: new Map(),
      });
    } else run.facts = facts;
  }

  /** Gives a run a history; before, it has one in which the first workflow task ended well, at event 4. */
  recall(promotion: PromotionRef, history: ResettableHistory): void {
    const run = this.#runs.get(keyOf(promotion));
    if (run !== undefined) run.history = history;
  }

  /** Ends a run. */
  close(promotion: PromotionRef): void {
    const run = this.#runs.get(keyOf(promotion));
    if (run !== undefined) run.isClosed = true;
  }

  /** From now on nobody answers; undefined brings the engine back. */
  lose(missing: 'engine-unreachable' | 'approval-unanswered' | undefined): void {
    this.#missing = missing;
  }

  async decideApproval(promotion: PromotionRef, input: DecideApprovalInput): Promise<DecideAnswer> {
    if (this.#missing !== undefined) return { kind: 'unavailable', code: this.#missing };
    this.asked.push(input);
    const run = this.#runs.get(keyOf(promotion));
    if (run === undefined) return { kind: 'not-started' };
    const before = run.results.get(input.approvalId);
    if (before !== undefined) return { kind: 'decided', result: await before };
    if (run.isClosed) return { kind: 'ended' };
    const admitted = admitApproval(run.facts, input, this.#now());
    if (!admitted.ok) return { kind: 'refused', ...admitted.refusal };
    const result = this.#take(run, promotion, input);
    run.results.set(input.approvalId, result);
    return { kind: 'decided', result: await result };
  }

  async previewReset(
    promotion: PromotionRef,
    event: number | undefined,
  ): Promise<ResetPreviewAnswer> {
    if (this.#missing === 'engine-unreachable') {
      return { kind: 'unavailable', code: 'engine-unreachable' };
    }
    const run = this.#runs.get(keyOf(promotion));
    if (run === undefined) return { kind: 'unknown' };
    const workflowId = promotionWorkflowId(promotion.tenantId, promotion.promotionId);
    const answer = await previewReset(run.history, { event, workflowId });
    if (!answer.ok) return { kind: 'impossible', message: answer.message };
    return { kind: 'preview', runId: runIdOf(promotion), preview: answer.preview };
  }

  async readHistories(
    promotion: PromotionRef,
    except: readonly string[],
  ): Promise<HistoriesAnswer> {
    if (this.#missing === 'engine-unreachable') {
      return { kind: 'unavailable', code: 'engine-unreachable' };
    }
    const run = this.#runs.get(keyOf(promotion));
    const runId = runIdOf(promotion);
    if (run === undefined || except.includes(runId)) return { kind: 'histories', runs: [] };
    const workflowId = promotionWorkflowId(promotion.tenantId, promotion.promotionId);
    return { kind: 'histories', runs: [{ workflowId, runId, history: run.history as History }] };
  }

  async #take(
    run: Run,
    promotion: PromotionRef,
    input: DecideApprovalInput,
  ): Promise<DecideApprovalResult> {
    const { facts } = run;
    if (facts === undefined) throw new Error('An admitted decision has facts.');
    // Before the first await, as the workflow does: two at once must not both be the last one needed.
    const votes = [...facts.votes, { personId: input.voter.personId, decision: input.decision }];
    const state = tallyVotes(facts.rule, votes);
    run.facts = { ...facts, votes, state };
    await this.#record(promotion, input, state);
    return { approvalId: input.approvalId, state };
  }
}

function runIdOf({ promotionId }: PromotionRef): string {
  return `run-of-${promotionId.replace('/', '-')}`;
}

function keyOf({ tenantId, promotionId }: PromotionRef): string {
  return `${tenantId}/${promotionId}`;
}
