import { isFinaleOnly } from '../explain/finale.ts';
import { celMember } from './cel-names.ts';
import { type DraftStep, needsOf } from './draft.ts';
import { joinedOrigin, type Origin } from './origin.ts';
import { type Expansion, finaleNode } from './sub-pipeline-edges.ts';
import { waitsForSuccess } from './sub-pipeline-entry.ts';

/** Gives the steps of a sub-pipeline what was written at the step that called it, and ties them to its beginning. */
export function attach(body: readonly DraftStep[], outer: DraftStep, expansion: Expansion): void {
  const { entry } = expansion;
  const onlySuccess = new Set(body.filter(waitsForSuccess).map(({ id }) => id));
  for (const inner of body) {
    attachNeeds(inner, outer, expansion, onlySuccess);
    if (entry === null || waitsForSuccess(inner)) joinCondition(inner, outer, outer.members.if);
    else if (inner.asksEntry !== true) {
      // The condition of the call is within: without it nothing has begun.
      joinCondition(inner, outer, `steps${celMember(entry.id)}.outcome == "succeeded"`);
      inner.asksEntry = true;
    }
    if (outer.members.compensate === false && inner.members.compensate !== false) {
      inner.members = { ...inner.members, compensate: false };
      inner.origins.set('compensate', originOf(outer, 'compensate'));
    }
  }
}

function attachNeeds(
  inner: DraftStep,
  outer: DraftStep,
  { entry, failures }: Expansion,
  onlySuccess: ReadonlySet<string>,
): void {
  const own = needsOf(inner);
  const isRoot = own.length === 0;
  if (isRoot && inner.members.when === 'onFailure' && isFinaleOnly(finaleNode(inner))) {
    // On its own it asked for the whole pipeline; here that is the sub-pipeline.
    const needs = failures.length === 0 && entry !== null ? [entry.id] : failures;
    inner.members = { ...inner.members, needs };
    return;
  }
  if (entry === null) {
    if (!isRoot || needsOf(outer).length === 0) return;
    inner.members = { ...inner.members, needs: needsOf(outer) };
  } else {
    // What it needs are steps that are skipped by their own will when nothing has begun: that would not keep it from running.
    const isAstray = waitsForSuccess(inner) && !own.some((need) => onlySuccess.has(need));
    if (!isRoot && !isAstray) return;
    inner.members = { ...inner.members, needs: [...own, entry.id] };
  }
  if (isRoot) inner.origins.set('needs', originOf(outer, 'needs'));
}

function joinCondition(inner: DraftStep, outer: DraftStep, condition: string | undefined): void {
  if (condition === undefined) return;
  const own = inner.members.if;
  const joined = own === undefined ? condition : `(${condition}) && (${own})`;
  const origin = originOf(outer, 'if');
  inner.origins.set('if', own === undefined ? origin : joinedOrigin(origin, originOf(inner, 'if')));
  inner.members = { ...inner.members, if: joined };
}

function originOf(step: DraftStep, member: string): Origin {
  return step.origins.get(member) ?? step.origin;
}
