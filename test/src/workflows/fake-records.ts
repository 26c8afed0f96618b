import type { PromotionState, StepState } from '@sluice/domain';
import { isPromotionTransition, isStepTransition } from '@sluice/domain';
import { digestOf } from '@sluice/pure';
import type { Reason, StepResult } from '@sluice/temporal-contract';
import { FAILURES } from '@sluice/temporal-contract';
import { ApplicationFailure } from '@temporalio/common';
import { FakeApprovals } from './fake-approvals.ts';
import { FakeLease } from './fake-lease.ts';

/**
 * What the database, the targets and the signer would know: refuses what they refuse, and does each effect once
 * by its key, so that tests can compare end states.
 */
export class FakeRecords {
  promotionState: PromotionState = 'requested';
  readonly stepStates = new Map<string, StepState>();
  /** Every change of a state, in order: `promotion running`, `scan succeeded`. */
  readonly changes: string[] = [];
  /** Every effect on a target, in order: `deploy host-1`, `revert host-1`. */
  readonly journal: string[] = [];
  /** Every attempt of every execution, in order; of courses only. */
  readonly begun: string[] = [];
  /** Newest round that the members of a step are stored of. */
  readonly expanded = new Map<string, number>();
  /** What became of the members of matrices: `deploy/host-1` → `succeeded`. */
  readonly members = new Map<string, string>();
  /** Codes of the reasons that steps were recorded with. */
  readonly stepReasons = new Map<string, string>();
  /** Records of steps that were refused, for the step's own activity was faster. */
  readonly refusals: string[] = [];
  /** Where rollouts stood, one after the other: `running 0 deploy`. */
  readonly positions: string[] = [];
  /** What people did to rollouts. */
  readonly steers: string[] = [];
  readonly #groups: Map<string, FakeLease>;
  readonly #effects = new Map<string, StepResult>();
  readonly lease: FakeLease;
  readonly approvals = new FakeApprovals();
  /** What runs on the targets and what they are set to; a test changes it to make plans stale. */
  world = 0;
  readonly #plans = new Map<string, number>();
  /** What was asked to be sealed, each once; a second one is another end of the same promotion. */
  readonly seals = new Set<string>();
  sealed: { readonly state: string; readonly code: string | null } | undefined = undefined;

  /**
   * @param lease shared by promotions to one environment
   * @param groups shared by promotions of one tenant
   */
  constructor(lease: FakeLease = new FakeLease(), groups = new Map<string, FakeLease>()) {
    this.lease = lease;
    this.#groups = groups;
  }

  /** The lease of a group, or that of the environment. */
  leaseOf(resource: string): FakeLease {
    if (!resource.startsWith('group:')) return this.lease;
    const found = this.#groups.get(resource) ?? new FakeLease();
    this.#groups.set(resource, found);
    return found;
  }

  /** As `recordSteps`: one that is refused does not keep the others from being recorded, and another reason is one. */
  settleStep(id: string, state: StepState, reason: Reason | null): void {
    const from = this.stepStates.get(id) ?? 'pending';
    if (from !== state && !isStepTransition(from, state)) {
      this.refusals.push(`${id}: ${from} → ${state}`);
      return;
    }
    this.setStep(id, state);
    if (reason !== null) this.stepReasons.set(id, reason.code);
  }

  setPromotion(state: PromotionState): void {
    if (state === this.promotionState) return;
    if (!isPromotionTransition(this.promotionState, state)) {
      throw illegal(`promotion: ${this.promotionState} → ${state}`);
    }
    this.promotionState = state;
    this.changes.push(`promotion ${state}`);
  }

  setStep(id: string, state: StepState): void {
    const from = this.stepStates.get(id) ?? 'pending';
    if (from === state) return;
    if (!isStepTransition(from, state)) throw illegal(`step ${id}: ${from} → ${state}`);
    this.stepStates.set(id, state);
    this.changes.push(`${id} ${state}`);
  }

  /** Stores a plan set of the world as it is. */
  plan(round: number): string {
    const digest = digestOf({ round, world: this.world });
    this.#plans.set(digest, this.world);
    return digest;
  }

  isStale(planDigest: string): boolean {
    return this.#plans.get(planDigest) !== this.world;
  }

  /** Seals once; closes what is still open, like the real one. */
  seal(state: PromotionState, code: string | null): void {
    this.seals.add(`${state} ${code}`);
    if (this.sealed !== undefined) return;
    if (!isPromotionTransition(this.promotionState, state)) {
      throw illegal(`seal: ${this.promotionState} → ${state}`);
    }
    for (const [id, step] of this.stepStates) {
      if (step === 'pending') this.setStep(id, 'skipped');
      if (step === 'running' || step === 'waiting') this.setStep(id, 'cancelled');
    }
    this.approvals.withdrawOpen();
    this.setPromotion(state);
    this.sealed = { state, code };
  }

  /** Does an effect unless it was done: the stored result stands. */
  async once(key: string, effect: () => Promise<StepResult>): Promise<StepResult> {
    const stored = this.#effects.get(key);
    if (stored !== undefined) return stored;
    const result = await effect();
    this.#effects.set(key, result);
    return result;
  }

  /** What a test compares: the end, whatever way led there. */
  endState(): Readonly<Record<string, unknown>> {
    return {
      promotion: this.promotionState,
      sealed: this.sealed,
      steps: Object.fromEntries([...this.stepStates].sort()),
      journal: [...this.journal].sort(),
      approvals: this.approvals.endState(),
      leaseHolder: this.lease.holder,
      queue: this.lease.queue,
    };
  }
}

function illegal(message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, FAILURES.illegalTransition);
}
