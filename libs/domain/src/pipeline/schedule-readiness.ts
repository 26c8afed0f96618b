import type { ScheduledStep } from './schedule-graph.ts';
import type { SchedulePhase } from './schedule-snapshot.ts';
import {
  decideStep,
  type NeedsStanding,
  type PipelineTrouble,
  type SkipCode,
  type StepDecision,
  type WaitCode,
} from './step-decision.ts';
import {
  type NeedStanding,
  needStandingOf,
  PENDING_STEP,
  type SkipCause,
  type StepStanding,
} from './step-outcome.ts';

/** What a decision depends on besides the steps. */
export interface ScheduleCircumstances {
  readonly phase: SchedulePhase;
  readonly failFast: boolean;
  /** The promotion was cancelled in the ordinary phase. */
  readonly cancelled: boolean;
  /** The promotion was denied or ran out of time in the ordinary phase. */
  readonly halted: boolean;
}

/** A step that is to be skipped, or was, and why. */
export interface StepSkip {
  readonly id: string;
  readonly cause: SkipCause;
  readonly code: SkipCode;
  /** With `need-bad` the first of its needs, in the pipeline's order, that is bad; otherwise null. */
  readonly because: string | null;
}

/** A step that waits. */
export interface StepWait {
  readonly id: string;
  readonly code: WaitCode;
  /** With `needs-open` the needs that are not settled, in its own order; otherwise empty. */
  readonly on: readonly string[];
}

/** What is to be done now, and what cannot be yet; each in the pipeline's order. */
export interface Readiness {
  /** Subject to their `if`. */
  readonly run: readonly string[];
  readonly skip: readonly StepSkip[];
  readonly wait: readonly StepWait[];
}

/**
 * The pending steps that are to run, to be skipped or to wait now, from the standings alone: what a `Schedule` keeps up to date, for
 * explanations and checks. Total: a step without a standing is pending, and a need that is no step is never settled.
 */
export function readyFrom(
  steps: readonly ScheduledStep[],
  standings: ReadonlyMap<string, StepStanding>,
  circumstances: ScheduleCircumstances,
): Readiness {
  const needStandings = new Map<string, NeedStanding>();
  for (const { id } of steps)
    needStandings.set(id, needStandingOf(standings.get(id) ?? PENDING_STEP));
  const trouble = troubleFrom(steps, standings, circumstances);
  const order = new Map(steps.map(({ id }, index) => [id, index]));
  const run: string[] = [];
  const skip: StepSkip[] = [];
  const wait: StepWait[] = [];
  for (const { id, when, needs = [] } of steps) {
    if ((standings.get(id) ?? PENDING_STEP).state !== 'pending') continue;
    const those = (kind: NeedStanding): readonly string[] =>
      needs.filter((need) => (needStandings.get(need) ?? 'open') === kind);
    const together = needsStandingOf({
      all: needs.length,
      open: those('open').length,
      bad: those('bad').length,
      tolerated: those('tolerated').length,
    });
    const decision = decideNow(when ?? 'success', circumstances.phase, trouble, together);
    if (decision.do === 'run') run.push(id);
    else if (decision.do === 'wait') {
      const { code } = decision;
      wait.push({ id, code, on: code === 'needs-open' ? those('open') : [] });
    } else {
      const { cause, code } = decision;
      const first = those('bad').toSorted((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0))[0];
      skip.push({ id, cause, code, because: code === 'need-bad' ? (first ?? null) : null });
    }
  }
  return { run, skip, wait };
}

/** What has gone wrong so far; what happens in the finale does not count. */
export function troubleFrom(
  steps: readonly { readonly id: string }[],
  standings: ReadonlyMap<string, StepStanding>,
  circumstances: ScheduleCircumstances,
): PipelineTrouble {
  let bad = 0;
  let tolerated = 0;
  for (const { id } of steps) {
    const standing = standings.get(id) ?? PENDING_STEP;
    if ('inFinale' in standing && standing.inFinale === true) continue;
    const kind = needStandingOf(standing);
    if (kind === 'bad') bad += 1;
    if (kind === 'tolerated') tolerated += 1;
  }
  return troubleOf(bad, tolerated, circumstances);
}

/** What has gone wrong, by how many steps of the ordinary phase are bad, and how many failed and were taken. */
export function troubleOf(
  bad: number,
  tolerated: number,
  { cancelled, halted, failFast }: Omit<ScheduleCircumstances, 'phase'>,
): PipelineTrouble {
  if (cancelled) return 'cancelled';
  if (halted || (bad > 0 && failFast)) return 'halted';
  if (bad > 0) return 'bad';
  return tolerated > 0 ? 'tolerated' : 'none';
}

/** How many needs a step has, and how many of them stand how. */
export interface NeedCounts {
  readonly all: number;
  readonly open: number;
  readonly bad: number;
  readonly tolerated: number;
}

/** What the needs of a step come to together. */
export function needsStandingOf({ all, open, bad, tolerated }: NeedCounts): NeedsStanding {
  if (all === 0) return 'none';
  if (open > 0) return 'open';
  if (bad > 0) return 'bad';
  return tolerated > 0 ? 'tolerated' : 'clear';
}

/** As `decideStep`, after the end too, where nothing is pending. */
export function decideNow(
  when: Parameters<typeof decideStep>[0],
  phase: SchedulePhase,
  trouble: PipelineTrouble,
  needs: NeedsStanding,
): StepDecision {
  return decideStep(when, phase === 'ended' ? 'finale' : phase, trouble, needs);
}
