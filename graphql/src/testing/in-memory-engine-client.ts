import {
  type ApprovalFacts,
  admitApproval,
  admitSteer,
  type RolloutAction,
  type RolloutState,
  type SteerFacts,
  tallyVotes,
} from '@sluice/domain';
import { type History, previewReset, type ResettableHistory } from '@sluice/temporal-client';
import {
  type DecideApprovalInput,
  type DecideApprovalResult,
  type PromotionRef,
  promotionWorkflowId,
  type SteerRolloutInput,
  type SteerRolloutResult,
} from '@sluice/temporal-contract';
import type {
  DecideAnswer,
  EngineClient,
  HistoriesAnswer,
  ResetPreviewAnswer,
  SteerAnswer,
} from '../common/engine-client.ts';

/** One promotion's run as the fake holds it. */
interface Run {
  facts: ApprovalFacts | undefined;
  isClosed: boolean;
  history: ResettableHistory;
  readonly results: Map<string, Promise<DecideApprovalResult>>;
  /** By step. */
  readonly rollouts: Map<string, SteerFacts>;
  readonly steered: Map<string, Promise<SteerRolloutResult>>;
}

/** Of a run whose first workflow task has ended well, and which waits. */
const BEGUN: ResettableHistory = {
  events: [1, 2, 3, 4].map((eventId) => ({
    eventId,
    ...(eventId === 4 ? { workflowTaskCompletedEventAttributes: {} } : {}),
  })) as never,
};

const STATE_AFTER: Readonly<Record<RolloutAction, RolloutState>> = {
  pause: 'paused',
  resume: 'running',
  skip: 'running',
  abort: 'aborted',
  promote: 'running',
};

/** How the fake behaves towards what it stands in for. */
export interface InMemoryEngineOptions {
  /** Writes what the workflow's activity would write, once for each admitted decision. */
  readonly record?: (
    promotion: PromotionRef,
    input: DecideApprovalInput,
    state: DecideApprovalResult['state'],
  ) => Promise<void>;
  /** As `record`, of each steer that was admitted. */
  readonly recordSteer?: (promotion: PromotionRef, input: SteerRolloutInput) => Promise<void>;
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
  readonly #recordSteer: NonNullable<InMemoryEngineOptions['recordSteer']>;
  readonly #now: () => number;
  #missing: 'engine-unreachable' | 'approval-unanswered' | undefined;
  /** Decisions that were handed over, refused ones and repeated ones too. */
  readonly asked: DecideApprovalInput[] = [];

  constructor({
    record = async () => undefined,
    recordSteer = async () => undefined,
    now = Date.now,
  }: InMemoryEngineOptions = {}) {
    this.#record = record;
    this.#recordSteer = recordSteer;
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
        rollouts: new Map(),
        steered: new Map(),
      });
    } else run.facts = facts;
  }

  /** Lets a step of a run roll out, or changes where that stands. */
  rollOut(promotion: PromotionRef, facts: SteerFacts): void {
    this.run(promotion, this.#runs.get(keyOf(promotion))?.facts);
    this.#runs.get(keyOf(promotion))?.rollouts.set(facts.stepId, facts);
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

  async steerRollout(promotion: PromotionRef, input: SteerRolloutInput): Promise<SteerAnswer> {
    if (this.#missing !== undefined) {
      const code = this.#missing === 'approval-unanswered' ? 'steer-unanswered' : this.#missing;
      return { kind: 'unavailable', code };
    }
    const run = this.#runs.get(keyOf(promotion));
    if (run === undefined) return { kind: 'not-started' };
    const before = run.steered.get(input.steerId);
    if (before !== undefined) return { kind: 'steered', result: await before };
    if (run.isClosed) return { kind: 'ended' };
    const facts = run.rollouts.get(input.stepId);
    const admitted = admitSteer(facts, input);
    if (!admitted.ok) return { kind: 'refused', code: admitted.code, message: admitted.message };
    if (facts === undefined) throw new Error('An admitted steer has facts.');
    const state = STATE_AFTER[input.action];
    run.rollouts.set(input.stepId, { ...facts, state });
    const { steerId } = input;
    const result = this.#recordSteer(promotion, input).then(() => ({ steerId, state, stage: 0 }));
    run.steered.set(input.steerId, result);
    return { kind: 'steered', result: await result };
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
