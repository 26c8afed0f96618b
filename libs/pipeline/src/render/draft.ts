import type { JsonValue, StepOverride, StepTemplate, ValueSchema } from '@sluice/domain';
import type { Origin } from './origin.ts';

/** A step while it is put together. */
export interface DraftStep {
  id: string;
  /** Who brought it in. */
  readonly origin: Origin;
  /** What was written of it so far. */
  members: Omit<StepTemplate, 'id'>;
  /** By member, and by `inputs.<name>`. */
  readonly origins: Map<string, Origin>;
  /** True once its condition asks whether the sub-pipeline that it is of has begun. */
  asksEntry?: boolean;
}

/** A parameter with its value. */
export interface BoundParameter {
  readonly schema: ValueSchema;
  readonly value: JsonValue;
  readonly origin: Origin;
}

/** Every member of a step that a template can write, in the order in which people read them. */
export const STEP_MEMBERS = [
  'type',
  'description',
  'needs',
  'when',
  'if',
  'matrix',
  'concurrencyGroup',
  'inputs',
  'retry',
  'timeoutSeconds',
  'continueOnFailure',
  'compensate',
] as const satisfies readonly Exclude<keyof StepTemplate, 'id'>[];

/** The needs of a draft. */
export function needsOf(step: DraftStep): readonly string[] {
  return step.members.needs ?? [];
}

/** Merges member by member, and inputs name by name; what is merged in is seen in the origins. */
export function mergeInto(
  step: DraftStep,
  override: Exclude<StepOverride, { readonly remove: true }>,
  origin: Origin,
): void {
  const merged: Record<string, unknown> = { ...step.members };
  for (const member of STEP_MEMBERS) {
    const value = override[member];
    if (value === undefined) continue;
    step.origins.set(member, origin);
    if (member !== 'inputs') {
      merged[member] = value;
      continue;
    }
    merged[member] = { ...step.members.inputs, ...override.inputs };
    for (const name of Object.keys(override.inputs ?? {})) {
      step.origins.set(`inputs.${name}`, origin);
    }
  }
  step.members = merged as unknown as DraftStep['members'];
}
