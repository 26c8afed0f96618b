import type { JsonValue, ResolvedStep } from '@sluice/domain';

/**
 * What a change alters. `effects`: what is done, to what, after what, or what becomes of it (types, inputs, targets, values of parameters,
 * needs, conditions, what a failure means for other steps, whether it is undone). `course`: how often, how long and how many at a time
 * (retries, timeouts, groups). `drawing`: what people read.
 */
export type ChangeScope = 'effects' | 'course' | 'drawing';

/** One member that is different. */
export interface MemberChange {
  /** Within its step or pipeline: `inputs.image`, `retry.attempts`, `matrix.maxParallel`. */
  readonly path: string;
  /** Undefined: it was not there. */
  readonly before: JsonValue | undefined;
  /** Undefined: it is not there any more. */
  readonly after: JsonValue | undefined;
  readonly scope: ChangeScope;
}

/** A step that both have, and that is not the same. */
export interface StepChange {
  readonly id: string;
  readonly members: readonly MemberChange[];
  /** Sorted. */
  readonly needsAdded: readonly string[];
  /** Sorted. */
  readonly needsRemoved: readonly string[];
}

/** One side of a comparison. */
export interface ComparedPipeline {
  readonly name: string;
  readonly version: number;
  /** Of the resolved pipeline. */
  readonly digest: string;
}

/** How two resolved pipelines differ. Lists are sorted by id or path; a renamed step is one removed and one added. */
export interface PipelineDifference {
  readonly before: ComparedPipeline;
  readonly after: ComparedPipeline;
  /** Of the pipeline itself: `description`, `failFast`, `parameters.region`. */
  readonly members: readonly MemberChange[];
  readonly added: readonly ResolvedStep[];
  readonly removed: readonly ResolvedStep[];
  readonly changed: readonly StepChange[];
  /** True when the steps that both have stand in another order: that is seen in drawings only. */
  readonly reordered: boolean;
  /** The gravest of all changes; null when there are none. */
  readonly scope: ChangeScope | null;
}

/** Gravest first. */
export const CHANGE_SCOPES: readonly ChangeScope[] = ['effects', 'course', 'drawing'];

/** The gravest of some scopes; null of none. */
export function gravestScope(scopes: Iterable<ChangeScope>): ChangeScope | null {
  const found = new Set(scopes);
  return CHANGE_SCOPES.find((scope) => found.has(scope)) ?? null;
}

/** The gravest scope of a changed step. */
export function stepChangeScope(change: StepChange): ChangeScope {
  const needs = change.needsAdded.length + change.needsRemoved.length;
  const scopes = change.members.map(({ scope }) => scope);
  return gravestScope(needs > 0 ? [...scopes, 'effects'] : scopes) ?? 'drawing';
}
