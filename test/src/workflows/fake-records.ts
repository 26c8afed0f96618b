import type { PromotionState, StepState } from '@sluice/domain';
import {
  DEFAULT_DEADLINES,
  isPromotionTransition,
  isStepTransition,
  STANDARD_PIPELINE,
} from '@sluice/domain';
import { digestOf } from '@sluice/pure';
import type { FrozenRules, StepResult } from '@sluice/temporal-contract';
import { FAILURES } from '@sluice/temporal-contract';
import { ApplicationFailure } from '@temporalio/common';

/** Rules as the control plane would freeze them, with what a test changes. */
export function composeRules(changes: Partial<FrozenRules> = {}): FrozenRules {
  const rules = {
    releaseDigest: digestOf('release'),
    pipeline: STANDARD_PIPELINE,
    pipelineDigest: digestOf(changes.pipeline ?? STANDARD_PIPELINE),
    policyDigest: digestOf('policy'),
    targets: ['host-1', 'host-2'],
    deadlines: DEFAULT_DEADLINES,
    ...changes,
  };
  return { ...rules, rulesDigest: digestOf(rules) };
}

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
  readonly #effects = new Map<string, StepResult>();
  leaseHolder: string | undefined = undefined;
  queue: string[] = [];
  fencingToken = 0;
  sealed: { readonly state: string; readonly code: string | null } | undefined = undefined;

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
      leaseHolder: this.leaseHolder,
      queue: this.queue,
    };
  }
}

function illegal(message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, FAILURES.illegalTransition);
}
