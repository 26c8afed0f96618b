import type { SettledStep } from './step-outcome.ts';

/** How a step that had begun came to its end. */
export type StepSettlement = {
  /** False when it surely changed nothing, so that nothing is put back. True when absent, but for a step that never began. */
  readonly hadEffects?: boolean;
} & (
  | { readonly outcome: 'succeeded' | 'cancelled' }
  /** `denies`: a gate or an approval said no, and the whole promotion is denied by it. */
  | { readonly outcome: 'failed'; readonly denies?: boolean }
  /** `isEnough`: the matrix policy `minimum` is met. */
  | { readonly outcome: 'partial'; readonly isEnough?: boolean }
);

/** What a step that ended so counts from then on, by whether its failure is taken. */
export function settledAs(settlement: StepSettlement, continueOnFailure: boolean): SettledStep {
  switch (settlement.outcome) {
    case 'succeeded':
    case 'cancelled':
      return { state: settlement.outcome };
    case 'failed':
      return { state: 'failed', tolerated: continueOnFailure };
    case 'partial':
      return { state: 'partial', tolerated: continueOnFailure || settlement.isEnough === true };
  }
}
