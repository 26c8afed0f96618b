import type { PromotionState, StepState } from '@sluice/domain';
import type {
  CourseState,
  DecideApprovalResult,
  FrozenRules,
  PromoteReleaseInput,
  PromotionStatus,
  Reason,
  SteerRolloutResult,
  StepStatus,
} from '@sluice/temporal-contract';
import { SEARCH_ATTRIBUTES } from '@sluice/temporal-contract';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { CancellationScope, upsertSearchAttributes } from '@temporalio/workflow';
import { records } from './activity-classes.ts';
import type { ApprovalRequest } from './approval-request.ts';
import type { CourseRun } from './course/course-run.ts';
import type { PromotionClock } from './promotion-clock.ts';

/** Why a run must end before its pipeline has: it was cancelled or superseded, or its deadline passed. */
export interface StopCause {
  readonly state: 'cancelled' | 'failed';
  readonly reason: Reason;
}

const KEYS = {
  tenant: defineSearchAttributeKey(SEARCH_ATTRIBUTES.tenant, SearchAttributeType.KEYWORD),
  environment: defineSearchAttributeKey(SEARCH_ATTRIBUTES.environment, SearchAttributeType.KEYWORD),
  release: defineSearchAttributeKey(SEARCH_ATTRIBUTES.release, SearchAttributeType.KEYWORD),
  state: defineSearchAttributeKey(SEARCH_ATTRIBUTES.promotionState, SearchAttributeType.KEYWORD),
};

/** What the interpreter knows about one promotion; lives and is replayed with the workflow. */
export class PromotionRun {
  readonly input: PromoteReleaseInput;
  /** Everything that a cancellation or the deadline may interrupt runs in this scope. */
  readonly work = new CancellationScope();
  state: PromotionState = 'requested';
  rules: FrozenRules | undefined = undefined;
  fencingToken: number | null = null;
  /** Set when a lease or a place in its queue may be there that must be given back. */
  leaseSought = false;
  /** Counts `leaseGranted`; the waiter asks again whenever it grew. */
  leaseSignals = 0;
  /**
   * Set before the first step with effects is executed, or when the records say that a run before a reset has done so:
   * from then on an unhappy end looks for targets to revert.
   */
  effectsBegun = false;
  /** Counts `targetsChanged`, and how many of them were there when the plan was asked for. */
  targetChanges = 0;
  changesAtPlanning = 0;
  /** From 1; grows when a stale plan is made again. */
  round = 1;
  /** The whole promotion's deadline; absent before the rules are frozen. */
  clock: PromotionClock | undefined = undefined;
  /** The newest request for approval of this run. */
  approval: ApprovalRequest | undefined = undefined;
  /** How the newest one of the runs before it ended. */
  #askedBefore: PromotionStatus['approval'] = undefined;
  /** Targets where a deployment of this run has succeeded. */
  readonly deployedTargets = new Set<string>();
  /** The rollback that took the lease, once it is known: from then on no target is touched. */
  supersededBy: string | undefined = undefined;
  /** Where targets are put back, once that has begun; only being superseded interrupts it. */
  compensation: CancellationScope | undefined = undefined;
  /** Reason of the gate or the approval that said no. */
  denial: Reason | undefined = undefined;
  stopCause: StopCause | undefined = undefined;
  /** What it knows beside this when its pipeline is data; absent in other forms, and before the rules are frozen. */
  course: CourseRun | undefined = undefined;
  /** Length of the history in the task that an Update was last at work in. */
  updatedAt: number | undefined = undefined;
  /** Answers that people were given whose decisions are recorded, those of the runs before this one among them. By the Update's id. */
  readonly decided = new Map<string, DecideApprovalResult>();
  /** The same of people who steered rollouts. */
  readonly steered = new Map<string, SteerRolloutResult>();
  /** Name → digest of what each succeeded step made. */
  readonly outputs = new Map<string, Readonly<Record<string, string>>>();
  readonly #steps = new Map<string, StepStatus>();
  #settling = false;

  constructor(input: PromoteReleaseInput) {
    this.input = input;
    if (input.resume !== undefined) this.#takeOver(input.resume);
  }

  /** Interrupts the work; the first cause stands, and none counts once the run is settling. */
  stop(cause: StopCause): void {
    if (this.stopCause !== undefined || this.#settling) return;
    this.stopCause = cause;
    // At once: a vote that comes in the same instant must find it closed.
    this.approval?.shut('withdrawn');
    this.work.cancel();
  }

  /** Another promotion has the lease now: whatever is done to targets is interrupted, and nothing is put back. */
  supersede(by: string): void {
    this.supersededBy ??= by;
    this.compensation?.cancel();
    this.stop({ state: 'cancelled', reason: this.supersession() });
  }

  /** Why a superseded promotion ends. */
  supersession(): Reason {
    const { environment } = this.input;
    return {
      code: 'superseded',
      message:
        `${this.supersededBy ?? 'A rollback'} took environment ${environment}; this promotion touches it no more. ` +
        'Look at that one for what runs there.',
    };
  }

  /** From here on the outcome is decided; the scope is closed so that no timer outlives it. */
  settle(): void {
    this.#settling = true;
    this.work.cancel();
  }

  /** Takes over the frozen rules: all of the pipeline's steps are pending. */
  adoptRules(rules: FrozenRules): void {
    this.rules = rules;
    for (const { id } of rules.pipeline.steps) this.setStep(id, 'pending', null);
  }

  #takeOver(resume: CourseState): void {
    this.state = 'running';
    this.fencingToken = resume.fencingToken;
    this.leaseSought = resume.leaseSought;
    this.effectsBegun = resume.effectsBegun;
    this.round = resume.schedule.round;
    this.targetChanges = resume.targetsChanged ? 1 : 0;
    this.supersededBy = resume.supersededBy;
    this.denial = resume.denial;
    this.#askedBefore = resume.asked;
    for (const answer of resume.decided ?? []) this.decided.set(answer.approvalId, answer);
    for (const answer of resume.steered ?? []) this.steered.set(answer.steerId, answer);
  }

  setStep(id: string, state: StepState, reason: Reason | null): void {
    this.#steps.set(id, { id, state, reason });
  }

  /** Begins the next round: these steps are pending again, and what they made counts no more. */
  reopen(stepIds: readonly string[]): void {
    this.round += 1;
    for (const id of stepIds) {
      this.setStep(id, 'pending', null);
      for (const name of [...this.outputs.keys()]) {
        if (name === id || name.startsWith(`${id}/`)) this.outputs.delete(name);
      }
    }
  }

  /** @throws Error when the pipeline has no such step */
  getStep(id: string): StepStatus {
    const found = this.#steps.get(id);
    if (found === undefined) throw new Error(`The pipeline has no step ${id}.`);
    return found;
  }

  /** Steps in the pipeline's order; empty before the rules are frozen. */
  steps(): readonly StepStatus[] {
    return [...this.#steps.values()];
  }

  stepStates(): ReadonlyMap<string, StepState> {
    return new Map(this.steps().map(({ id, state }) => [id, state]));
  }

  /** Answer of the query `promotionStatus`. */
  status(): PromotionStatus {
    const { state, fencingToken } = this;
    const approval = this.approval?.status() ?? this.#askedBefore;
    const rollouts = [...(this.course?.rollouts ?? [])];
    return {
      state,
      steps: this.steps(),
      fencingToken,
      ...(approval === undefined ? {} : { approval }),
      ...(rollouts.length === 0
        ? {}
        : {
            rollouts: Object.fromEntries(
              rollouts.map(([id, { rollout }]) => [id, rollout.position()]),
            ),
          }),
    };
  }

  /** Shows the promotion in the engine's search by opaque ids: search attributes are plain text. */
  announce(): void {
    const { promotion, environment, releaseDigest } = this.input;
    upsertSearchAttributes([
      { key: KEYS.tenant, value: promotion.tenantId },
      { key: KEYS.environment, value: environment },
      { key: KEYS.release, value: releaseDigest },
      { key: KEYS.state, value: this.state },
    ]);
  }

  /** Changes the state here and in the search; the caller records it. */
  showState(state: PromotionState): void {
    this.state = state;
    upsertSearchAttributes([{ key: KEYS.state, value: state }]);
  }

  /** Changes the state here, in the search and in the records. */
  async enterState(state: PromotionState): Promise<void> {
    this.showState(state);
    await records.recordPromotion({ promotion: this.input.promotion, state, reason: null });
  }
}
