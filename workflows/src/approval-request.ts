import type { ApprovalFacts, ApprovalRule, ApprovalState, Ballot, Vote } from '@sluice/domain';
import { tallyVotes } from '@sluice/domain';
import type { ApprovalRound, PromotionStatus } from '@sluice/temporal-contract';

/** One admitted decision; it counts for the outcome once it is recorded. */
interface ReservedVote extends Vote {
  isRecorded: boolean;
}

/** What one request for approval asks for. */
export interface ApprovalTerms {
  readonly round: ApprovalRound;
  readonly rule: ApprovalRule;
  readonly requesterPersonId: string;
  /** Milliseconds since the epoch. */
  readonly deadline: number;
}

/**
 * One round of asking people, as the workflow knows it. Everything here is synchronous: who is admitted is decided in one
 * order, whatever comes in the same instant.
 */
export class ApprovalRequest {
  readonly terms: ApprovalTerms;
  /** Whether its row is there; `failed` when it cannot be. */
  opening: 'pending' | 'done' | 'failed' = 'pending';
  #votes: readonly ReservedVote[] = [];
  #shut: 'expired' | 'withdrawn' | undefined = undefined;
  #closed: Exclude<ApprovalState, 'waiting'> | undefined = undefined;

  constructor(terms: ApprovalTerms) {
    this.terms = terms;
  }

  /** What a validator looks at: votes that are still being recorded count, so that nobody passes beside them. */
  facts(): ApprovalFacts {
    const { round, rule, requesterPersonId, deadline } = this.terms;
    const { releaseDigest, planDigest } = round;
    const votes = this.#votes;
    return {
      state: this.#stateFor(votes),
      rule,
      requesterPersonId,
      releaseDigest,
      planDigest,
      deadline,
      votes,
    };
  }

  /** Takes an admitted decision in before anything is awaited. */
  reserve({ voter: { personId }, decision }: Pick<Ballot, 'voter' | 'decision'>): ReservedVote {
    const vote = { personId, decision, isRecorded: false };
    this.#votes = [...this.#votes, vote];
    return vote;
  }

  /** Takes in what was recorded before the run was reset; whoever is there already counts once. */
  adopt({ personId, decision }: Vote): void {
    if (this.#votes.some((vote) => vote.personId === personId)) return;
    this.#votes = [...this.#votes, { personId, decision, isRecorded: true }];
  }

  /** Its record stands. */
  confirm(vote: ReservedVote): void {
    vote.isRecorded = true;
  }

  /** Its record was refused: the person may decide again. */
  drop(vote: ReservedVote): void {
    this.#votes = this.#votes.filter((reserved) => reserved !== vote);
  }

  /** Admits nobody any more; the first cause stands. */
  shut(cause: 'expired' | 'withdrawn'): void {
    this.#shut ??= cause;
  }

  /** Writes its end. */
  close(state: Exclude<ApprovalState, 'waiting'>): void {
    this.#closed = state;
  }

  /** True when no admitted decision is still being recorded. */
  isSettled(): boolean {
    return this.#votes.every(({ isRecorded }) => isRecorded);
  }

  /** Where the recorded decisions have come to. */
  tally(): 'waiting' | 'approved' | 'rejected' {
    return tallyVotes(this.terms.rule, this.#recorded());
  }

  /** True when the decisions suffice, also those that are still being recorded. */
  isDecidedSoon(): boolean {
    return tallyVotes(this.terms.rule, this.#votes) !== 'waiting';
  }

  /** People who said no, for the reason. */
  rejecters(): readonly string[] {
    return this.#recorded()
      .filter(({ decision }) => decision === 'reject')
      .map(({ personId }) => personId);
  }

  /** What the query `promotionStatus` answers: as the records have it. */
  status(): NonNullable<PromotionStatus['approval']> {
    const { round, deadline } = this.terms;
    return {
      state: this.#stateFor(this.#recorded()),
      round: round.round,
      planDigest: round.planDigest,
      deadline: new Date(deadline).toISOString(),
      votes: this.#recorded().map(({ personId, decision }) => ({ personId, decision })),
    };
  }

  #recorded(): readonly ReservedVote[] {
    return this.#votes.filter(({ isRecorded }) => isRecorded);
  }

  #stateFor(votes: readonly Vote[]): ApprovalState {
    if (this.#closed !== undefined) return this.#closed;
    const tally = tallyVotes(this.terms.rule, votes);
    return tally === 'waiting' ? (this.#shut ?? 'waiting') : tally;
  }
}
