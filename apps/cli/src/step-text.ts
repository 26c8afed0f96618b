import type { CompensationView, MemberCountsView, PromotionView, StepView } from './operations.ts';
import { table, wrapped } from './text-layout.ts';

/** A step's state in words: `partial, 3 of 5`. */
export function stateText({
  state,
  memberCounts,
}: Pick<StepView, 'state' | 'memberCounts'>): string {
  const word = state.toLowerCase();
  if (memberCounts === null) return word;
  const { total, succeeded, reverted } = memberCounts;
  const good = state === 'REVERTED' ? reverted : succeeded;
  return `${word} ${good}/${total}`;
}

/** Members that did not simply succeed: `2 failed, 1 skipped`; empty when there are none. */
export function membersText(counts: MemberCountsView | null): string {
  if (counts === null) return '';
  const { total: _total, succeeded: _succeeded, ...others } = counts;
  return Object.entries(others)
    .filter(([, count]) => count > 0)
    .map(([state, count]) => `${count} ${state}`)
    .join(', ');
}

/** The steps of a promotion as a table, and under it why some of them did not simply succeed, but for what the promotion says itself. */
export function describeSteps({ steps, reason }: Pick<PromotionView, 'steps' | 'reason'>): string {
  if (steps.length === 0) return 'Its steps are known when it begins.\n';
  const rows = steps.map((step) => [
    step.id,
    stateText(step),
    step.seconds === null ? '' : step.seconds.toFixed(1),
    [step.reason?.code ?? '', membersText(step.memberCounts)]
      .filter((text) => text !== '')
      .join('; '),
  ]);
  const columns = [{ title: 'STEP' }, { title: 'STATE' }, { title: 'SECONDS' }];
  const told = steps
    .filter((step) => step.reason !== null && step.reason.message !== reason?.message)
    .map(causeText);
  return (
    table([...columns, { title: 'REASON', shrinks: true }], rows) +
    (told.length === 0 ? '' : `\n${told.join('')}`)
  );
}

function causeText({ id, state, reason }: StepView): string {
  return wrapped(`${id} ${VERBS[state] ?? state.toLowerCase()}: ${reason?.message ?? ''}`, 2);
}

const VERBS: Readonly<Record<string, string>> = {
  PARTIAL: 'succeeded in part',
  FAILED: 'failed',
  SKIPPED: 'was skipped',
  CANCELLED: 'was cancelled',
  REVERTED: 'was put back',
  SUCCEEDED: 'succeeded',
  WAITING: 'waits',
  RUNNING: 'runs',
};

const OUTCOMES: Readonly<Record<CompensationView['steps'][number]['state'], string>> = {
  UNDONE: 'undone',
  FAILED: 'NOT undone, by hand',
  OPEN: 'is being undone',
  LEFT: 'left as it is',
  STAYS: 'stays by design',
};

/** Of an effect that nobody undoes, and of which nobody knows whether it happened. */
function isUnsure({ state, byHand }: CompensationView['steps'][number]): boolean {
  return state === 'STAYS' && byHand !== null;
}

/** What was undone, what remains, and what to do by hand; empty where there is nothing to say. */
export function describeCompensation({
  id,
  compensation,
}: Pick<PromotionView, 'id' | 'compensation'>): string {
  if (compensation === null) return '';
  const environment = id.split('/')[0] ?? id;
  const but = compensation.steps.some(isUnsure) ? ', or may have happened' : '';
  const head = compensation.complete
    ? `What was done is undone, but for what stays by design${but}`
    : 'What was done is not undone everywhere';
  const rows = compensation.steps.map((each) => [
    each.step,
    isUnsure(each) ? 'may have happened, look' : OUTCOMES[each.state],
    each.undoneMembers === null ? '' : `${each.undoneMembers}/${each.memberCount ?? 0}`,
    each.undoes ?? '',
  ]);
  const columns = [{ title: 'STEP' }, { title: 'EFFECTS' }, { title: 'MEMBERS' }];
  // Why it failed stands with the step, and in the promotion's own reason: here is what its type knows to do.
  const hands = compensation.steps.flatMap(({ step, byHand }) =>
    byHand === null
      ? []
      : [wrapped(`  To do for ${step}: ${byHand.replaceAll('<environment>', environment)}`, 4)],
  );
  const shown = table([...columns, { title: 'WHAT UNDOING DOES', shrinks: true }], rows);
  return `\n${head}\n${shown}${hands.join('')}`;
}
