import type { ApprovalState } from '@sluice/domain';
import type { ApprovalRound, DecideApprovalInput } from '@sluice/temporal-contract';
import { FAILURES } from '@sluice/temporal-contract';
import { ApplicationFailure } from '@temporalio/common';

interface RequestRow {
  readonly planDigest: string;
  readonly deadline: string;
  state: ApprovalState;
}

/** Rows of requests and of what people said, refusing what the real ones refuse. */
export class FakeApprovals {
  /** By round. */
  readonly requests = new Map<number, RequestRow>();
  /** By approval id. */
  readonly recorded = new Map<string, { readonly round: number; readonly person: string }>();

  open({ round, planDigest }: ApprovalRound, deadline: string): void {
    if (this.requests.has(round)) return;
    this.requests.set(round, { planDigest, deadline, state: 'waiting' });
  }

  record({ round, planDigest }: ApprovalRound, { approvalId, voter }: DecideApprovalInput): void {
    if (this.recorded.has(approvalId)) return;
    const request = this.requests.get(round);
    if (request?.state !== 'waiting' || request.planDigest !== planDigest) {
      throw illegal(`approval ${approvalId} of round ${round}: ${request?.state}`);
    }
    const twice = [...this.recorded.values()].some(
      (other) => other.round === round && other.person === voter.personId,
    );
    if (twice) throw illegal(`${voter.personId} twice in round ${round}`);
    this.recorded.set(approvalId, { round, person: voter.personId });
  }

  close({ round }: ApprovalRound, state: ApprovalState): void {
    const request = this.requests.get(round);
    if (request === undefined) throw illegal(`no request of round ${round}`);
    if (request.state === state) return;
    if (request.state !== 'waiting') throw illegal(`request: ${request.state} → ${state}`);
    request.state = state;
  }

  /** What sealing does to a request that was left open. */
  withdrawOpen(): void {
    for (const request of this.requests.values()) {
      if (request.state === 'waiting') request.state = 'withdrawn';
    }
  }

  /** States by round, and who was recorded. */
  endState(): unknown {
    return {
      requests: [...this.requests].map(([round, { state }]) => `${round} ${state}`),
      recorded: [...this.recorded].map(([id, { round }]) => `${round} ${id}`).sort(),
    };
  }
}

function illegal(message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, FAILURES.illegalTransition);
}
