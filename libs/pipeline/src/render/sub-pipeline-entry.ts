import { type DraftStep, needsOf } from './draft.ts';

/** True for a step that is skipped because of trouble when one that it needs is. */
export function waitsForSuccess(step: DraftStep): boolean {
  return (step.members.when ?? 'success') === 'success';
}

/**
 * The step `outer--begin`, which does nothing: it succeeds when the sub-pipeline of a step begins. Its `always`, `onFailure` and `onCancel`
 * steps ask for that, for whatever became of the steps before them, they would run in a sub-pipeline that never began.
 * @returns null where nobody has to ask: it begins with the pipeline around it, or all of its steps wait for success
 */
export function entryOf(call: DraftStep, id: string, body: readonly DraftStep[]): DraftStep | null {
  const { members, origin, origins } = call;
  const beginsAtOnce = needsOf(call).length === 0 && members.if === undefined;
  const isAsked = body.some((step) => !waitsForSuccess(step) && step.asksEntry !== true);
  if (beginsAtOnce || !isAsked) return null;
  const from = (member: string) => origins.get(member) ?? origin;
  return {
    id,
    origin,
    members: {
      type: 'noop@1',
      needs: needsOf(call),
      ...(members.if === undefined ? {} : { if: members.if }),
    },
    origins: new Map(['type', 'needs', 'if'].map((member) => [member, from(member)])),
  };
}
