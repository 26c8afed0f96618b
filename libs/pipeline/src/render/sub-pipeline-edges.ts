import { type FinaleNode, finaleIds } from '../explain/finale.ts';
import { type DraftStep, needsOf } from './draft.ts';
import { waitsForSuccess } from './sub-pipeline-entry.ts';

/** What stands in the place of a step that runs a sub-pipeline. */
export interface Expansion {
  /** Needs of the step. */
  readonly needs: readonly string[];
  /** See `entryOf`. */
  readonly entry: DraftStep | null;
  /**
   * The steps that a step after it needs: enough that all of them are settled, and that every failure is seen. A step whose failure makes
   * a `success` step after it be skipped is seen there; all others are named. Steps of the finale never are: who waited for them would
   * wait for the end. Empty when nothing of it runs in the ordinary phase.
   */
  readonly ends: readonly string[];
  /** Those by which its failure is seen: as the ends, but for steps whose failure is taken. */
  readonly failures: readonly string[];
}

/** What stands in the place of a step, from its needs and from the steps of its sub-pipeline. */
export function expansionOf(
  call: DraftStep,
  entry: DraftStep | null,
  body: readonly DraftStep[],
): Expansion {
  const finale = finaleIds(body.map(finaleNode));
  const ordinary = body.filter((step) => !finale.has(step.id));
  const ends = unseenLater(ordinary);
  const isEntrySeen = ordinary.some((step) => waitsForSuccess(step) && needsOf(step).length === 0);
  const failures = unseenLater(
    ordinary.filter(({ members }) => members.continueOnFailure !== true),
  );
  return {
    needs: needsOf(call),
    entry,
    ends: entry === null || isEntrySeen ? ends : [entry.id, ...ends],
    failures: failures.length === 0 ? ends : failures,
  };
}

/** A draft as far as it matters for when it is decided. */
export function finaleNode(step: DraftStep): FinaleNode {
  const { when } = step.members;
  return { id: step.id, needs: needsOf(step), ...(when === undefined ? {} : { when }) };
}

/** Steps whose failure is not seen at a `success` step after them. */
function unseenLater(steps: readonly DraftStep[]): readonly string[] {
  const seenLater = new Set(steps.filter(waitsForSuccess).flatMap(needsOf));
  return steps.map(({ id }) => id).filter((id) => !seenLater.has(id));
}

/** Needs with every expanded step replaced by what it ends in; one that ends in nothing hands its own needs on. */
export function expansionNeeds(
  needs: readonly string[],
  expansions: ReadonlyMap<string, Expansion>,
): readonly string[] {
  const found = new Set<string>();
  const seen = new Set<string>();
  const open = [...needs];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    const expansion = expansions.get(id);
    if (expansion === undefined) found.add(id);
    else open.push(...(expansion.ends.length > 0 ? expansion.ends : expansion.needs));
  }
  return [...found].sort();
}
