import type { ApprovalDecision, ApprovalState, Vote } from '@sluice/domain';
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
  readonly recorded = new Map<
    string,
    { readonly round: number; readonly person: string; readonly decision: ApprovalDecision }
  >();

  /** False when it was asked for before. */
  open({ round, planDigest }: ApprovalRound, deadline: string): boolean {
    if (this.requests.has(round)) return false;
    this.requests.set(round, { planDigest, deadline, state: 'waiting' });
    return true;
  }

  /** What was recorded in a round: known to a run that was reset. */
  votesOf(round: number): readonly Vote[] {
    return [...this.recorded.values()]
      .filter((vote) => vote.round === round)
      .map(({ person, decision }) => ({ personId: person, decision }));
  }

  record(
    { round, planDigest }: ApprovalRound,
    { approvalId, voter, decision }: DecideApprovalInput,
  ): void {
    if (this.recorded.has(approvalId)) return;
    const request = this.requests.get(round);
    if (request?.state !== 'waiting' || request.planDigest !== planDigest) {
      throw illegal(`approval ${approvalId} of round ${round}: ${request?.state}`);
    }
    const twice = [...this.recorded.values()].some(
      (other) => other.round === round && other.person === voter.personId,
    );
    if (twice) throw illegal(`${voter.personId} twice in round ${round}`);
    this.recorded.set(approvalId, { round, person: voter.personId, decision });
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
