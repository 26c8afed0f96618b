import { DomainError } from '../domain-error.ts';
import type { SkipCause } from './step-outcome.ts';
import { STEP_CONDITIONS, type StepCondition } from './template.ts';

/** Parts of a pipeline's run, in this order. */
export const PIPELINE_PHASES = [
  'ordinary',
  /** What had effects is put back; only where the pipeline ends unhappily. */
  'compensation',
  /** What must be done however it ended: `always`, `onFailure` and `onCancel`. */
  'finale',
] as const;

/** One of {@link PIPELINE_PHASES}. */
export type PipelinePhase = (typeof PIPELINE_PHASES)[number];

/** What has gone wrong in the ordinary phase, each worse than the one before. */
export const PIPELINE_TROUBLES = [
  'none',
  /** A step failed or is partial, and its failure was taken. */
  'tolerated',
  /** A step turned bad, and `failFast` is false: the rest goes on. */
  'bad',
  /** A step turned bad and `failFast` is true; or the promotion was denied, or ran out of time. */
  'halted',
  /** The promotion was cancelled. */
  'cancelled',
] as const;

/** One of {@link PIPELINE_TROUBLES}. */
export type PipelineTrouble = (typeof PIPELINE_TROUBLES)[number];

/** What the needs of a step come to together. */
export const NEEDS_STANDINGS = [
  /** There are none. */
  'none',
  /** One is not settled. */
  'open',
  /** All are settled; none is bad, failed or partial. */
  'clear',
  /** All are settled; none is bad, one failed or is partial, which was taken. */
  'tolerated',
  /** All are settled; one is bad. */
  'bad',
] as const;

/** One of {@link NEEDS_STANDINGS}. */
export type NeedsStanding = (typeof NEEDS_STANDINGS)[number];

/** Why a pending step waits. */
export type WaitCode = 'needs-open' | 'finale-awaited' | 'compensation-running';

/** Why a step is skipped, and by which cause. */
export const SKIP_CODES = {
  /** A step that it needs is bad. */
  'need-bad': 'trouble',
  /** Another step turned bad, or the promotion was denied or ran out of time. */
  'pipeline-halted': 'trouble',
  'promotion-cancelled': 'trouble',
  /** It waits for a failure of what it needs, or without needs of the pipeline, and there is none. */
  'nothing-failed': 'own-will',
  /** It waits for a cancellation, and nobody cancelled. */
  'not-cancelled': 'own-will',
  /** Its `if` was false: known to who evaluates it, not to the table. */
  'if-false': 'own-will',
} as const satisfies Readonly<Record<string, SkipCause>>;

/** A name in {@link SKIP_CODES}. */
export type SkipCode = keyof typeof SKIP_CODES;

/** What becomes of a pending step now. `run`: subject to its `if`, which who runs it evaluates. */
export type StepDecision =
  | { readonly do: 'wait'; readonly code: WaitCode }
  | { readonly do: 'run' }
  | { readonly do: 'skip'; readonly cause: SkipCause; readonly code: SkipCode };

/** One row of the table: it holds for every combination of what its columns name. */
export interface DecisionRow {
  readonly when: readonly StepCondition[];
  readonly phase: readonly PipelinePhase[];
  readonly trouble: readonly PipelineTrouble[];
  readonly needs: readonly NeedsStanding[];
  readonly decision: StepDecision;
}

const RUN: StepDecision = { do: 'run' };
const wait = (code: WaitCode): StepDecision => ({ do: 'wait', code });
const skip = (code: SkipCode): StepDecision => ({ do: 'skip', cause: SKIP_CODES[code], code });

const GOING = ['none', 'tolerated', 'bad'] as const;
const STOPPED = ['halted', 'cancelled'] as const;
const SETTLED = ['none', 'clear', 'tolerated', 'bad'] as const;
const NOT_BAD = ['none', 'open', 'clear', 'tolerated'] as const;
const GOOD = ['none', 'clear', 'tolerated'] as const;

function row(
  when: StepCondition | readonly StepCondition[],
  phase: PipelinePhase | readonly PipelinePhase[],
  trouble: PipelineTrouble | readonly PipelineTrouble[],
  needs: NeedsStanding | readonly NeedsStanding[],
  decision: StepDecision,
): DecisionRow {
  return {
    when: [when].flat(),
    phase: [phase].flat(),
    trouble: [trouble].flat(),
    needs: [needs].flat(),
    decision,
  };
}

/**
 * The failure semantics: what becomes of a pending step. Every combination is in exactly one row, and where all of its needs are settled no
 * row of the finale waits, so that every run ends.
 */
export const STEP_DECISION_TABLE: readonly DecisionRow[] = [
  row(
    STEP_CONDITIONS,
    'compensation',
    PIPELINE_TROUBLES,
    NEEDS_STANDINGS,
    wait('compensation-running'),
  ),

  row('success', 'ordinary', GOING, 'open', wait('needs-open')),
  row('success', 'ordinary', GOING, GOOD, RUN),
  row('success', ['ordinary', 'finale'], PIPELINE_TROUBLES, 'bad', skip('need-bad')),
  row('success', 'ordinary', 'halted', NOT_BAD, skip('pipeline-halted')),
  row('success', ['ordinary', 'finale'], 'cancelled', NOT_BAD, skip('promotion-cancelled')),
  // Pending so late: what it needs was itself decided in the finale.
  row('success', 'finale', ['none', 'tolerated'], 'open', wait('needs-open')),
  row('success', 'finale', ['none', 'tolerated'], GOOD, RUN),
  // What was put back must not be done again by a step that nothing would put back.
  row('success', 'finale', ['bad', 'halted'], NOT_BAD, skip('pipeline-halted')),

  row('always', 'ordinary', GOING, 'open', wait('needs-open')),
  row('always', 'ordinary', GOING, SETTLED, RUN),
  row('always', 'finale', PIPELINE_TROUBLES, SETTLED, RUN),

  row('onFailure', 'ordinary', GOING, 'open', wait('needs-open')),
  row('onFailure', 'ordinary', GOING, ['tolerated', 'bad'], RUN),
  row('onFailure', 'ordinary', GOING, 'clear', skip('nothing-failed')),
  row('onFailure', 'ordinary', GOING, 'none', wait('finale-awaited')),
  row('onFailure', 'finale', PIPELINE_TROUBLES, ['tolerated', 'bad'], RUN),
  row('onFailure', 'finale', PIPELINE_TROUBLES, 'clear', skip('nothing-failed')),
  // Without needs it is about the whole pipeline, which succeeds with a failure that was taken.
  row('onFailure', 'finale', ['bad', 'halted', 'cancelled'], 'none', RUN),
  row('onFailure', 'finale', ['none', 'tolerated'], 'none', skip('nothing-failed')),

  row('onCancel', 'ordinary', PIPELINE_TROUBLES, NEEDS_STANDINGS, wait('finale-awaited')),
  row('onCancel', 'finale', 'cancelled', SETTLED, RUN),
  row('onCancel', 'finale', ['none', 'tolerated', 'bad', 'halted'], SETTLED, skip('not-cancelled')),

  row(['always', 'onFailure'], 'ordinary', STOPPED, NEEDS_STANDINGS, wait('finale-awaited')),
  row(['always', 'onFailure', 'onCancel'], 'finale', PIPELINE_TROUBLES, 'open', wait('needs-open')),
];

const DECISIONS: ReadonlyMap<string, StepDecision> = new Map(
  STEP_DECISION_TABLE.flatMap(({ when, phase, trouble, needs, decision }) =>
    when.flatMap((w) =>
      phase.flatMap((p) =>
        trouble.flatMap((t) => needs.map((n) => [keyOf(w, p, t, n), decision] as const)),
      ),
    ),
  ),
);

function keyOf(
  when: StepCondition,
  phase: PipelinePhase,
  trouble: PipelineTrouble,
  needs: NeedsStanding,
): string {
  return `${when} ${phase} ${trouble} ${needs}`;
}

/**
 * What becomes of a pending step, by {@link STEP_DECISION_TABLE}.
 * @throws DomainError `step-undecided` for a word that none of the four types knows
 */
export function decideStep(
  when: StepCondition,
  phase: PipelinePhase,
  trouble: PipelineTrouble,
  needs: NeedsStanding,
): StepDecision {
  const decision = DECISIONS.get(keyOf(when, phase, trouble, needs));
  if (decision !== undefined) return decision;
  const message = `No row for a step of condition ${when}, phase ${phase}, trouble ${trouble} and needs ${needs}. Check these words.`;
  throw new DomainError('step-undecided', message);
}
