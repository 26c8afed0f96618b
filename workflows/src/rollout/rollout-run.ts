import {
  admitSteer,
  type RolloutLayout,
  type RolloutState,
  type StagePhase,
  type SteerAdmission,
  type SteerFacts,
} from '@sluice/domain';
import type {
  Reason,
  RolloutPosition,
  RolloutRef,
  SteerRolloutInput,
} from '@sluice/temporal-contract';
import { CancellationScope } from '@temporalio/workflow';

/** Why a rollout does not come to its end, and how it ends instead. */
export interface Doom {
  readonly kind: 'failed' | 'denied' | 'aborted' | 'cancelled';
  readonly reason: Reason;
}

/**
 * What the interpreter knows of one rollout; lives and is replayed with the workflow. All that people do to it is decided here,
 * synchronously and in one order; what follows from it is done by whoever runs its stages.
 */
export class RolloutRun {
  readonly ref: RolloutRef;
  readonly layout: RolloutLayout;
  state: RolloutState = 'running';
  stage = 0;
  phase: StagePhase = 'gate';
  /** Members before this one may be new. */
  exposed = 0;
  /** All that is left goes at once. */
  isPromoting = false;
  /** A target failed: what it waits for cannot be tried again. */
  isStuck = false;
  /** A member failed, and what follows has begun: nobody steers any more. */
  isFailing = false;
  /** Set as soon as it cannot succeed any more; the first one stands. */
  doom: Doom | undefined = undefined;
  /** Told when members may not begin any more for now. */
  stopMembers: (() => void) | undefined = undefined;
  readonly #listeners: RolloutListeners;
  #reason: Reason | null = null;
  #skipped = -1;
  #pauses = 0;
  #steers = 0;
  readonly #interruptible = new Map<CancellationScope, 'watch' | 'work'>();

  constructor(ref: RolloutRef, layout: RolloutLayout, listeners: RolloutListeners) {
    this.ref = ref;
    this.layout = layout;
    this.#listeners = listeners;
  }

  /** What a validator looks at. */
  admit(request: SteerRolloutInput): SteerAdmission {
    return admitSteer(this.facts(), request);
  }

  facts(): SteerFacts {
    return {
      stepId: this.ref.stepId,
      state: this.state,
      isReverting: this.isFailing || this.doom !== undefined,
      isStuck: this.isStuck,
      isPromoting: this.isPromoting,
      steers: this.#steers,
    };
  }

  /** Does what a person was allowed to do, before anything is awaited. */
  steer({ action, principalId, reason }: SteerRolloutInput): void {
    this.#steers += 1;
    const said = reason === '' ? '.' : `: ${reason}`;
    switch (action) {
      case 'pause':
        return this.pause({ code: 'rollout-paused', message: `Paused by ${principalId}${said}` });
      case 'resume':
        return this.#goOn();
      case 'skip':
        this.#skipped = this.stage;
        this.#interrupt(['watch']);
        return this.#goOn();
      case 'promote':
        this.isPromoting = true;
        this.#interrupt(['watch']);
        return this.#goOn();
      case 'abort':
        return this.end({
          kind: 'aborted',
          reason: { code: 'rollout-aborted', message: `Aborted by ${principalId}${said}` },
        });
    }
  }

  /** Nothing more begins, and what is under way comes to its end. */
  pause(reason: Reason, isStuck = false): void {
    if (this.doom !== undefined || this.hasEnded()) return;
    if (isStuck) {
      this.isStuck = true;
      this.#reason = reason;
    }
    if (this.state === 'paused') return;
    this.state = 'paused';
    this.#reason = reason;
    this.#pauses += 1;
    const own = this.#pauses;
    this.stopMembers?.();
    this.#listeners.onPaused(() => this.state === 'paused' && this.#pauses === own);
  }

  /** What else is to be known of a pause. */
  addToPause(reason: Reason): void {
    if (this.state === 'paused') this.#reason = reason;
  }

  /** It will not succeed: whatever it waits for is interrupted. The first cause stands, and none counts after its end. */
  end(doom: Doom): void {
    if (this.doom !== undefined || this.hasEnded()) return;
    this.doom = doom;
    this.#listeners.onDoomed();
    this.stopMembers?.();
    this.#interrupt(['watch', 'work']);
    this.#goOn();
  }

  /** True when this stage's watching counts as passed, because a person said so. */
  isSkipped(): boolean {
    return this.isPromoting || this.#skipped === this.stage;
  }

  hasEnded(): boolean {
    return this.state !== 'running' && this.state !== 'paused';
  }

  /** Runs what a person can interrupt: watching by a skip, all by an abort. @throws CancelledFailure when that happened */
  async interruptibly<T>(what: 'watch' | 'work', act: () => Promise<T>): Promise<T> {
    const scope = new CancellationScope();
    this.#interruptible.set(scope, what);
    try {
      return await scope.run(act);
    } finally {
      this.#interruptible.delete(scope);
    }
  }

  position(): RolloutPosition {
    const { state, stage, phase } = this;
    return { state, stage, phase, reason: this.#reason };
  }

  /** Its end. */
  close(state: RolloutState, reason: Reason | null): void {
    this.state = state;
    this.#reason = reason;
  }

  #goOn(): void {
    if (this.state !== 'paused') return;
    this.state = 'running';
    this.isStuck = false;
    this.#reason = null;
    this.#listeners.onResumed();
  }

  #interrupt(kinds: readonly ('watch' | 'work')[]): void {
    for (const [scope, kind] of this.#interruptible) if (kinds.includes(kind)) scope.cancel();
  }
}

/** What follows at once when a rollout is paused, goes on, or is not to succeed. */
export interface RolloutListeners {
  /** @param isSame false once this pause is over */
  onPaused(isSame: () => boolean): void;
  onResumed(): void;
  onDoomed(): void;
}
