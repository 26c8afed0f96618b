import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { ApprovalRule } from '@sluice/domain';
import type { PromotionResult } from '@sluice/temporal-contract';
import { PROMOTION_MESSAGES } from '@sluice/temporal-contract';
import { bundleSources } from '../../test/src/workflows/bundle-workflows.ts';
import { createFakeActivities, holderOf } from '../../test/src/workflows/fake-activities.ts';
import { composeApprovedRules } from '../../test/src/workflows/fake-rules.ts';
import type { PlayedPromotion } from '../../test/src/workflows/promotion-stage.ts';
import {
  answerOf,
  ballotFor,
  decide,
  untilAsked,
} from '../../test/src/workflows/promotion-stage.ts';
import { pause } from '../../test/src/workflows/waiting.ts';
import type { WorkflowEnvironment } from '../../test/src/workflows/workflow-environment.ts';
import {
  openWorkflowEnvironment,
  startPromotion,
} from '../../test/src/workflows/workflow-environment.ts';

/*
 * While no worker runs, everything that is sent waits for the same workflow task: what comes in one instant for a person
 * comes in one instant for the workflow too.
 */
let env: WorkflowEnvironment;

beforeAll(async () => {
  env = await openWorkflowEnvironment(await bundleSources());
});
afterAll(() => env.close());

/** Asks for approval, ends the workers, sends what the test sends, and starts workers again. */
async function inOneTask<T>(
  rule: Partial<ApprovalRule>,
  send: (promotion: PlayedPromotion) => Promise<T>[],
): Promise<{ answers: T[]; result: PromotionResult; promotion: PlayedPromotion }> {
  const rules = composeApprovedRules(rule);
  const { activities, records } = createFakeActivities({ rules });
  const promotion = await env.withWorkers(activities, async () => {
    const { handle, input } = await startPromotion(env.client, rules.releaseDigest);
    const played: PlayedPromotion = {
      handle,
      input,
      records,
      holder: holderOf(input.promotion),
      resource: '',
      result: async () => (await handle.result()) as PromotionResult,
    };
    await untilAsked(played);
    return played;
  });
  const sent = send(promotion);
  await pause(1000);
  return env.withWorkers(activities, async () => {
    const answers = await Promise.all(sent);
    return { answers, result: await promotion.result(), promotion };
  });
}

const vote =
  (person: string, decision: 'approve' | 'reject' = 'approve') =>
  (promotion: PlayedPromotion): Promise<string> =>
    answerOf(decide(promotion, ballotFor(promotion, { person, decision })));

const cancel = async ({ handle }: PlayedPromotion): Promise<string> => {
  await handle.signal(PROMOTION_MESSAGES.cancelPromotion, {
    requestedBy: 'principal:mia',
    reason: 'no',
  });
  return 'cancelled';
};

test('of two approvers in one task one passes', async () => {
  const { answers, result, promotion } = await inOneTask({}, (played) => [
    vote('otto')(played),
    vote('ada')(played),
  ]);
  expect(answers.sort()).toEqual(['approval-closed', 'approved']);
  expect(result).toMatchObject({ state: 'succeeded' });
  expect(promotion.records.approvals.recorded.size).toBe(1);
});

test('of two votes of one person in one task one counts', async () => {
  const { answers, result } = await inOneTask({ count: 2 }, (played) => [
    vote('otto')(played),
    vote('otto')(played),
    pause(100).then(() => vote('ada')(played)),
  ]);
  expect(answers).toContain('approval-duplicate');
  expect(answers).toContain('approved');
  expect(result).toMatchObject({ state: 'succeeded' });
});

test('a cancellation in the task of an approval: cancelled, and the request says whether it was heard', async () => {
  const { answers, result, promotion } = await inOneTask({}, (played) => [
    cancel(played),
    vote('otto')(played),
  ]);
  const { records } = promotion;
  const isApproved = answers[1] === 'approved';
  expect({
    state: result.state,
    request: records.approvals.requests.get(1)?.state,
    recorded: records.approvals.recorded.size,
    journal: records.journal,
  }).toEqual({
    state: 'cancelled',
    request: isApproved ? 'approved' : 'withdrawn',
    recorded: isApproved ? 1 : 0,
    journal: [],
  });
});
