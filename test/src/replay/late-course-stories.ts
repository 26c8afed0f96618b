import type { DecideApprovalResult } from '@sluice/temporal-contract';
import { PROMOTION_MESSAGES } from '@sluice/temporal-contract';
import { cancel, gives, hangs } from '../workflows/course-stage.ts';
import { composeCourseRules, step } from '../workflows/fake-course-rules.ts';
import { resetToFirstTask, untilBegun } from '../workflows/reset-run.ts';
import { createPoint } from '../workflows/waiting.ts';
import { playPromotion, type Story } from './play-promotion.ts';
import { playResumed } from './play-resumed.ts';

/** Conditions that compare texts: with themselves, with those in the pipeline, and with what the release is called. */
function compared(): Story {
  const steps = [
    step('first', { reads: ['answer', 'colour'] }),
    step('second', { reads: ['colour', 'name'] }),
    step('yes', { needs: ['first'], if: 'steps.first.outputs.answer == "certainly so"' }),
    step('no', { needs: ['first'], if: "steps.first.outputs.answer == 'never'" }),
    step('same', {
      needs: ['first', 'second'],
      if: 'steps.first.outputs.colour == steps.second.outputs.colour',
    }),
    step('mood', { needs: ['second'], if: 'parameters.mood != steps.second.outputs.colour' }),
    step('ours', { needs: ['second'], if: 'release.name == steps.second.outputs.name' }),
  ];
  const rules = composeCourseRules(steps, { parameters: { mood: 'rather gloomy' } });
  const first = { answer: 'certainly so', colour: 'a deep red' };
  return playPromotion({
    rules,
    steps: { first: gives(first), second: gives({ colour: 'a deep red', name: 'shop' }) },
  });
}

/** Somebody decides once more, by the same id, in the run after that in which it was taken. */
function votedAgain(): Story {
  const { reached, reach } = createPoint();
  const decided: DecideApprovalResult = { approvalId: 'otto/round-1', state: 'approved' };
  let ends = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    ends = resolve;
  });
  const watch = async () => {
    reach();
    await ended;
    return { outcome: 'succeeded' as const, outputs: {}, reason: null };
  };
  return playResumed(
    {
      steps: [step('idle'), step('watch', { needs: ['idle'] })],
      done: ['idle'],
      settings: { steps: { watch } },
      state: { decided: [decided] },
    },
    async (handle) => {
      await reached;
      const { approvalId } = decided;
      const ballot = { approvalId, decision: 'approve', comment: '', planDigest: '' };
      const voter = { principalId: 'otto', personId: 'otto', kind: 'person', role: 'approver' };
      await handle.executeUpdate(PROMOTION_MESSAGES.decideApproval, {
        args: [{ ...ballot, voter, releaseDigest: '' }],
        updateId: approvalId,
      });
      ends();
    },
  );
}

/** Reset to its first task once a step with a compensation is done, and cancelled before it comes to that step again. */
function afterReset(): Story {
  const { reached, reach } = createPoint();
  const steps = [
    step('pause', { type: 'wait@1', inputs: { seconds: 2 } }),
    step('migrate', { type: 'script@1', needs: ['pause'] }),
    step('watch', { needs: ['migrate'] }),
    step('told', { when: 'onCancel' }),
  ];
  const rules = composeCourseRules(steps);
  return playPromotion({ rules, steps: { watch: hangs(reach) } }, async (promotion, env) => {
    await reached;
    const handle = await resetToFirstTask(env, promotion.handle);
    await untilBegun(handle, 'pause');
    await cancel({ ...promotion, handle });
    return handle;
  });
}

/** Told since what conditions compare survives a redaction, Updates a continuation, and compensations a reset. */
export const LATE_COURSE_STORIES: Readonly<Record<string, Story>> = {
  'promotion-succeeded-course-compared': compared(),
  'promotion-succeeded-course-voted-again': votedAgain(),
  'promotion-cancelled-course-after-reset': afterReset(),
};
