import { isPermitted, type Role } from '../role.ts';
import type { RolloutAction, RolloutState } from './rollout-layout.ts';

/** Steers that one rollout takes: each costs history. */
export const MAX_STEERS = 200;

/** Where a rollout stands, as far as what people may do hangs on it. */
export interface SteerFacts {
  readonly stepId: string;
  readonly state: RolloutState;
  /** It goes back already, or is about to: nothing that is said now changes that. */
  readonly isReverting: boolean;
  /** It is paused, and what it waits for cannot be tried again: a target failed. */
  readonly isStuck: boolean;
  /** All that is left goes at once already. */
  readonly isPromoting: boolean;
  /** How often it was steered. */
  readonly steers: number;
}

/** Whether a person may steer now, or why not. */
export type SteerAdmission =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: string; readonly message: string };

/** What is asked for, and by whom. */
export interface SteerRequest {
  readonly stepId: string;
  readonly action: RolloutAction;
  readonly role: Role;
}

/**
 * Says whether a rollout takes what a person asks for. Pure, synchronous and in one order, so that two who ask in one instant do not both pass.
 * @param facts undefined for a step that has no rollout, or has not begun
 */
export function admitSteer(
  facts: SteerFacts | undefined,
  { stepId, action, role }: SteerRequest,
): SteerAdmission {
  const refuse = (code: string, message: string): SteerAdmission => ({ ok: false, code, message });
  if (!isPermitted(role, 'rollout.steer')) {
    return refuse(
      'role-not-permitted',
      `The role ${role} may not steer rollouts; ask a release manager.`,
    );
  }
  if (facts === undefined) {
    return refuse(
      'rollout-unknown',
      `Step ${stepId} has no rollout that has begun; look at the promotion.`,
    );
  }
  const { state, isReverting, isStuck, isPromoting, steers } = facts;
  if (state !== 'running' && state !== 'paused') {
    return refuse(
      'rollout-ended',
      `The rollout of step ${stepId} is ${state}; nothing is left to ${action}.`,
    );
  }
  if (isReverting) {
    return refuse(
      'rollout-reverting',
      `The rollout of step ${stepId} is being put back; wait for its end.`,
    );
  }
  if (steers >= MAX_STEERS) {
    return refuse(
      'rollout-steered-too-often',
      `The rollout of step ${stepId} was steered ${steers} times; cancel the promotion.`,
    );
  }
  if (action === 'abort') return { ok: true };
  if (action === 'resume' && state !== 'paused') {
    return refuse('rollout-not-paused', `The rollout of step ${stepId} is not paused.`);
  }
  if (isStuck) {
    return refuse(
      'rollout-stuck',
      `A target of step ${stepId} failed, and is not tried again; abort the rollout, or cancel the promotion.`,
    );
  }
  if (action === 'pause' && state === 'paused') {
    return refuse('rollout-already-paused', `The rollout of step ${stepId} is paused already.`);
  }
  if (action === 'promote' && isPromoting) {
    return refuse(
      'rollout-already-promoted',
      `All that is left of step ${stepId} goes at once already.`,
    );
  }
  return { ok: true };
}
