import type { ApprovalState, PromotionState, Refusal, StepState } from '@sluice/domain';

/** What is known of one who waits in the queue of an environment. */
export interface PlaceFacts {
  /** True when only the lease is missing. */
  readonly ready: boolean;
  /** The promotion that holds the lease; null when nobody does. */
  readonly holder: string | null;
  readonly state: PromotionState;
  /** In the pipeline's order. */
  readonly steps: readonly { readonly id: string; readonly state: StepState }[];
  /** The newest request for approval; undefined before the first. */
  readonly approval:
    | {
        readonly state: ApprovalState;
        readonly count: number;
        readonly roles: readonly string[];
        /** People who approved so far. */
        readonly approved: number;
        /** RFC 3339. */
        readonly deadline: string;
      }
    | undefined;
}

/**
 * Why one waits: `waits-for-lease`, `waits-for-approval`, `in-preparation` or `not-started`. Pure, so that the same
 * facts always get the same words.
 */
export function explainPlace({ ready, holder, state, steps, approval }: PlaceFacts): Refusal {
  if (ready) {
    return {
      code: 'waits-for-lease',
      message:
        holder === null
          ? 'Ready: the lease is being handed over.'
          : `Ready: waits until ${holder} gives the lease back.`,
    };
  }
  if (approval?.state === 'waiting') {
    const { count, roles, approved, deadline } = approval;
    const missing = count - approved;
    return {
      code: 'waits-for-approval',
      message: `Waits for ${missing} ${missing === 1 ? 'approval' : 'approvals'} by ${roles.join(' or ')} until ${deadline}; others may go first.`,
    };
  }
  const running = steps.find((step) => step.state === 'running' || step.state === 'waiting');
  if (running !== undefined) {
    return {
      code: 'in-preparation',
      message: `Prepares: its step ${running.id} is ${running.state}; others may go first.`,
    };
  }
  const isUntouched = steps.every((step) => step.state === 'pending');
  if (state === 'requested' || isUntouched) {
    return { code: 'not-started', message: 'Has not begun; others may go first.' };
  }
  const next = steps.find((step) => step.state === 'pending');
  return {
    code: 'in-preparation',
    message:
      next === undefined
        ? 'Prepares to end.'
        : `Prepares: its step ${next.id} comes next; others may go first.`,
  };
}
