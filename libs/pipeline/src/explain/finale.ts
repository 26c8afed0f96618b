import type { ResolvedStep, StepCondition } from '@sluice/domain';
import type { GraphNode } from './layers.ts';

/** A step as far as it matters for when it is decided. */
export interface FinaleNode extends GraphNode {
  /** `success` when absent. */
  readonly when?: StepCondition;
}

/** True for a step that is decided in the finale whatever it needs: it asks what became of the whole. */
export function isFinaleOnly({ when, needs }: FinaleNode): boolean {
  return when === 'onCancel' || (when === 'onFailure' && needs.length === 0);
}

/** Ids of the steps that are decided in the finale: `onCancel`, `onFailure` of the whole, and what comes after such. Linear in the edges. */
export function finaleIds(steps: readonly FinaleNode[]): ReadonlySet<string> {
  const after = new Map<string, string[]>();
  for (const { id, needs } of steps) {
    for (const need of needs) {
      const dependents = after.get(need);
      if (dependents === undefined) after.set(need, [id]);
      else dependents.push(id);
    }
  }
  const finale = new Set<string>();
  const open = steps.filter(isFinaleOnly).map(({ id }) => id);
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (finale.has(id)) continue;
    finale.add(id);
    for (const dependent of after.get(id) ?? []) open.push(dependent);
  }
  return finale;
}

/** The steps that run while all goes well, or next to it, and those that wait for the end. */
export interface FinaleSteps {
  readonly ordinary: readonly ResolvedStep[];
  /** See {@link finaleIds}. */
  readonly finale: readonly ResolvedStep[];
}

/** Parts the steps that are decided in the finale from all others. */
export function finaleSteps(steps: readonly ResolvedStep[]): FinaleSteps {
  const finale = finaleIds(steps);
  return {
    ordinary: steps.filter(({ id }) => !finale.has(id)),
    finale: steps.filter(({ id }) => finale.has(id)),
  };
}
