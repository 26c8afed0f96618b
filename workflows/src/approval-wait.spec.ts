import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ApprovalRule } from '@sluice/domain';
import { DEFAULT_DEADLINES } from '@sluice/domain';
import type { DecideApprovalInput, PromotionStatus } from '@sluice/temporal-contract';
import { FAILURES, PROMOTION_MESSAGES } from '@sluice/temporal-contract';
import { ApplicationFailure } from '@temporalio/common';
import type { FakeSettings } from '../../test/src/workflows/fake-activities.ts';
import { composeApprovedRules, composeRules } from '../../test/src/workflows/fake-rules.ts';
import type { PlayedPromotion, PromotionStage } from '../../test/src/workflows/promotion-stage.ts';
import {
  answerOf,
  ballotFor,
  decide,
  openPromotionStage,
  untilAsked,
} from '../../test/src/workflows/promotion-stage.ts';
import { createPoint, pause, until } from '../../test/src/workflows/waiting.ts';

let stage: PromotionStage;

beforeAll(async () => {
  stage = await openPromotionStage();
});
afterAll(() => stage.close());

/** Starts a promotion that comes to its approval, and waits until it does. */
async function askFor(
  rule: Partial<ApprovalRule> = {},
  settings: Partial<FakeSettings> = {},
): Promise<PlayedPromotion> {
  const promotion = await stage.start({ rules: composeApprovedRules(rule), ...settings });
  await untilAsked(promotion);
  return promotion;
}

const cancel = ({ handle }: PlayedPromotion): Promise<void> =>
  handle.signal(PROMOTION_MESSAGES.cancelPromotion, { requestedBy: 'principal:mia', reason: 'no' });

const voter = (
  changes: Partial<DecideApprovalInput['voter']>,
): { readonly voter: DecideApprovalInput['voter'] } => ({
  voter: { principalId: 'otto', personId: 'otto', kind: 'person', role: 'approver', ...changes },
});

describe('who may decide', () => {
  test('each refusal names its reason and leaves no history; an eligible person decides', async () => {
    const promotion = await askFor();
    const cases: readonly (readonly [Partial<DecideApprovalInput>, string])[] = [
      [voter({ principalId: 'mia', personId: 'mia', role: 'admin' }), 'approver-is-requester'],
      [voter({ principalId: 'mia-laptop', personId: 'mia' }), 'approver-is-requester'],
      [voter({ principalId: 'ci', personId: 'otto', kind: 'service' }), 'approver-not-a-person'],
      [voter({ role: 'release-manager' }), 'approver-not-eligible'],
      [{ releaseDigest: 'sha256:other' }, 'approval-wrong-release'],
      [{ planDigest: 'sha256:other' }, 'approval-wrong-plan'],
    ];
    for (const [changes, code] of cases) {
      expect(await answerOf(decide(promotion, ballotFor(promotion, changes)))).toBe(code);
    }
    expect(promotion.records.approvals.recorded.size).toBe(0);
    expect(await decide(promotion, ballotFor(promotion))).toMatchObject({ state: 'approved' });
    expect(await promotion.result()).toMatchObject({ state: 'succeeded' });
    const { events } = await promotion.handle.fetchHistory();
    const updates = events?.filter((event) => event.workflowExecutionUpdateAcceptedEventAttributes);
    expect(updates).toHaveLength(1);
    expect(promotion.records.endState()).toMatchObject({
      steps: { approval: 'succeeded', deploy: 'succeeded' },
      approvals: { requests: ['1 approved'] },
      journal: ['deploy host-1 succeeded', 'deploy host-2 succeeded'],
    });
  });

  test('nobody before it is asked for, and nobody after it is decided', async () => {
    const [gate, deploy] = [createPoint(), createPoint()];
    const [open, end] = [createPoint(), createPoint()];
    const promotion = await stage.start({
      rules: composeApprovedRules(),
      steps: {
        gate: async () => {
          gate.reach();
          await open.reached;
          return { outcome: 'succeeded', outputs: {}, reason: null };
        },
        deploy: async () => {
          deploy.reach();
          await end.reached;
          return { outcome: 'succeeded', outputs: {}, reason: null };
        },
      },
    });
    await gate.reached;
    expect(await answerOf(decide(promotion, ballotFor(promotion)))).toBe('approval-not-open');
    open.reach();
    await untilAsked(promotion);
    const decided = ballotFor(promotion);
    expect(await answerOf(decide(promotion, decided))).toBe('approved');
    await deploy.reached;
    const late = ballotFor(promotion, { person: 'ada' });
    expect(await answerOf(decide(promotion, late))).toBe('approval-closed');
    // The same Update again is the same answer.
    expect(await answerOf(decide(promotion, decided))).toBe('approved');
    end.reach();
    expect(await promotion.result()).toMatchObject({ state: 'succeeded' });
    expect(promotion.records.approvals.recorded.size).toBe(1);
  });

  test('two must be two: the same person counts once', async () => {
    const promotion = await askFor({ count: 2 });
    expect(await answerOf(decide(promotion, ballotFor(promotion)))).toBe('waiting');
    expect(await answerOf(decide(promotion, ballotFor(promotion)))).toBe('approval-duplicate');
    const status = await promotion.handle.query<PromotionStatus>('promotionStatus');
    expect(status).toMatchObject({
      state: 'waiting',
      approval: { state: 'waiting', round: 1, votes: [{ personId: 'otto', decision: 'approve' }] },
    });
    expect(await answerOf(decide(promotion, ballotFor(promotion, { person: 'ada' })))).toBe(
      'approved',
    );
    expect(await promotion.result()).toMatchObject({ state: 'succeeded' });
  });

  test('one rejection denies the promotion and says who', async () => {
    const promotion = await askFor({ count: 2 });
    const rejection = ballotFor(promotion, { decision: 'reject' });
    expect(await answerOf(decide(promotion, rejection))).toBe('rejected');
    const result = await promotion.result();
    expect(result).toMatchObject({ state: 'denied', reason: { code: 'approval-rejected' } });
    expect(result.reason?.message).toContain('otto');
    expect(promotion.records.endState()).toMatchObject({
      sealed: { state: 'denied', code: 'approval-rejected' },
      steps: { approval: 'failed', deploy: 'skipped' },
      approvals: { requests: ['1 rejected'] },
      leaseHolder: undefined,
      queue: [],
      journal: [],
    });
  });
});

describe('at the same instant', () => {
  const slowly: FakeSettings['override'] = {
    recordApproval: async () => pause(500),
  };

  test.each([1, 2, 3])('of two approvers where one is enough, one passes (%d)', async (attempt) => {
    // With a slow record the second comes while the first is still being recorded.
    const promotion = await askFor({}, attempt === 3 ? { override: slowly } : {});
    const answers = await Promise.all(
      ['otto', 'ada'].map((person) =>
        answerOf(decide(promotion, ballotFor(promotion, { person }))),
      ),
    );
    expect(answers.filter((answer) => answer === 'approved')).toHaveLength(1);
    // The other one is refused, or found the run closed by then.
    expect(answers.filter((answer) => answer !== 'approved')).toHaveLength(1);
    if (attempt === 3) expect(answers.sort()).toEqual(['approval-closed', 'approved']);
    expect(await promotion.result()).toMatchObject({ state: 'succeeded' });
    if (attempt < 3) expect(promotion.records.approvals.recorded.size).toBe(1);
  });

  test('of two approvers where two are needed, both count', async () => {
    const promotion = await askFor({ count: 2 });
    const answers = await Promise.all(
      ['otto', 'ada'].map((person) =>
        answerOf(decide(promotion, ballotFor(promotion, { person }))),
      ),
    );
    expect(answers).toContain('approved');
    expect(await promotion.result()).toMatchObject({ state: 'succeeded' });
    expect(promotion.records.approvals.recorded.size).toBe(2);
  });

  test('yes and no: the first one decides, the other is refused', async () => {
    const promotion = await askFor({}, { override: slowly });
    const [yes, no] = await Promise.all([
      answerOf(decide(promotion, ballotFor(promotion))),
      answerOf(decide(promotion, ballotFor(promotion, { person: 'ada', decision: 'reject' }))),
    ]);
    const { state } = await promotion.result();
    expect([`${yes} ${no} ${state}`]).toContainEqual(
      state === 'succeeded'
        ? 'approved approval-closed succeeded'
        : 'approval-closed rejected denied',
    );
  });

  test('a cancellation while the deciding vote is recorded: it is recorded, the promotion cancelled', async () => {
    const recording = createPoint();
    const promotion = await askFor(
      {},
      {
        override: {
          recordApproval: async () => {
            recording.reach();
            await pause(500);
          },
        },
      },
    );
    const answer = answerOf(decide(promotion, ballotFor(promotion)));
    await recording.reached;
    await cancel(promotion);
    expect(await answer).toBe('approved');
    expect(await promotion.result()).toMatchObject({
      state: 'cancelled',
      reason: { code: 'promotion-cancelled' },
    });
    expect(promotion.records.endState()).toMatchObject({
      steps: { approval: 'succeeded', deploy: 'skipped' },
      approvals: { requests: ['1 approved'] },
      journal: [],
    });
  });

  test.each([1, 2, 3, 4])(
    'a cancellation and an approval agree, whoever is first (%d)',
    async (n) => {
      const promotion = await askFor();
      const cancelling =
        n % 2 === 0 ? cancel(promotion) : pause(n * 5).then(() => cancel(promotion));
      const answer = await answerOf(decide(promotion, ballotFor(promotion)));
      await cancelling.catch(() => undefined);
      const { state } = await promotion.result();
      const { records } = promotion;
      const request = records.approvals.requests.get(1)?.state;
      expect(records.promotionState).toBe(state);
      if (answer === 'approved') expect(request).toBe('approved');
      else expect({ state, request }).toEqual({ state: 'cancelled', request: 'withdrawn' });
      expect(records.approvals.recorded.size).toBe(answer === 'approved' ? 1 : 0);
      const touched = records.journal.filter((line) => line.startsWith('deploy')).length;
      const putBack = records.journal.filter((line) => line.startsWith('revert')).length;
      if (state === 'cancelled') expect(putBack).toBe(touched);
    },
  );
});

describe('a vote that cannot be recorded', () => {
  test('fails with the type of the record, and the person may decide again', async () => {
    let calls = 0;
    const promotion = await askFor(
      {},
      {
        override: {
          recordApproval: async () => {
            calls += 1;
            if (calls === 1) {
              throw ApplicationFailure.nonRetryable('not what was stored', FAILURES.integrity);
            }
          },
        },
      },
    );
    const refused = decide(promotion, ballotFor(promotion));
    await expect(refused).rejects.toMatchObject({
      cause: { type: FAILURES.integrity, message: 'not what was stored' },
    });
    expect(await answerOf(decide(promotion, ballotFor(promotion)))).toBe('approved');
    expect(await promotion.result()).toMatchObject({ state: 'succeeded' });
  });

  test('for a moment is recorded by the retry', async () => {
    let calls = 0;
    const promotion = await askFor(
      {},
      {
        override: {
          recordApproval: async () => {
            calls += 1;
            if (calls === 1) throw ApplicationFailure.retryable('away', FAILURES.unavailable);
          },
        },
      },
    );
    expect(await answerOf(decide(promotion, ballotFor(promotion)))).toBe('approved');
    expect(await promotion.result()).toMatchObject({ state: 'succeeded' });
  });
});

describe('time', () => {
  test('nobody within the deadline: denied, and a vote after it is late', async () => {
    const sealing = createPoint();
    const done = createPoint();
    const promotion = await askFor(
      { deadlineSeconds: 2 },
      {
        override: {
          sealPromotion: async () => {
            sealing.reach();
            await done.reached;
            return { packetDigest: 'sha256:1' };
          },
        },
      },
    );
    await sealing.reached;
    expect(await answerOf(decide(promotion, ballotFor(promotion)))).toBe('approval-late');
    done.reach();
    expect(await promotion.result()).toMatchObject({
      state: 'denied',
      reason: { code: 'approval-deadline-exceeded' },
    });
    expect(promotion.records.endState()).toMatchObject({
      steps: { approval: 'failed', deploy: 'skipped' },
      approvals: { requests: ['1 expired'], recorded: [] },
    });
  });

  test("the promotion's own clock stands still meanwhile, and goes on after it", async () => {
    const deadlines = { ...DEFAULT_DEADLINES, promotionSeconds: 10 };
    const promotion = await stage.start({
      rules: composeApprovedRules({}, { deadlines }),
      steps: {
        verify: () => Promise.reject(ApplicationFailure.retryable('not yet', 'Unavailable')),
      },
    });
    await untilAsked(promotion);
    await pause(11_000);
    expect(await answerOf(decide(promotion, ballotFor(promotion)))).toBe('approved');
    expect(await promotion.result()).toMatchObject({
      state: 'reverted',
      reason: { code: 'promotion-deadline-exceeded' },
    });
  });
});

describe('a request that ends otherwise', () => {
  const withdrawn = {
    steps: { approval: 'cancelled', deploy: 'skipped' },
    approvals: { requests: ['1 withdrawn'], recorded: [] },
    leaseHolder: undefined,
    queue: [],
  };

  test.each([
    ['signal', cancel],
    ['engine', ({ handle }: PlayedPromotion) => handle.cancel()],
  ] as const)('cancelled by %s while it waits', async (_way, stop) => {
    const promotion = await askFor();
    await stop(promotion);
    expect(await promotion.result()).toMatchObject({
      state: 'cancelled',
      reason: { code: 'promotion-cancelled' },
    });
    expect(promotion.records.endState()).toMatchObject(withdrawn);
  });

  test('cancelled while people are being asked', async () => {
    const asking = createPoint();
    const promotion = await stage.start({ rules: composeApprovedRules() }, (activities) => ({
      ...activities,
      openApproval: async (input) => {
        asking.reach();
        await pause(500);
        await activities.openApproval(input);
      },
    }));
    await asking.reached;
    await cancel(promotion);
    expect(await promotion.result()).toMatchObject({ state: 'cancelled' });
    expect(promotion.records.endState()).toMatchObject(withdrawn);
  });

  test('people cannot be asked: the step fails, and a vote that waited is refused', async () => {
    const asking = createPoint();
    const promotion = await stage.start({
      rules: composeApprovedRules(),
      override: {
        openApproval: async () => {
          asking.reach();
          await pause(1000);
          throw ApplicationFailure.nonRetryable('no such plan', FAILURES.integrity);
        },
      },
    });
    await asking.reached;
    const planDigest = promotion.records.plan(1);
    const answer = await answerOf(decide(promotion, ballotFor(promotion, { planDigest })));
    expect(answer).toBe('approval-closed');
    expect(await promotion.result()).toMatchObject({
      state: 'failed',
      reason: { code: 'integrity' },
    });
    expect(promotion.records.stepStates.get('approval')).toBe('failed');
  });

  test.each([
    ['no rule', { approval: null }],
    [
      'no plan before it',
      {
        pipeline: {
          ...composeApprovedRules().pipeline,
          steps: [{ id: 'approval', type: 'approval@1', needs: [], inputs: {} }],
        },
      },
    ],
  ] as const)('with %s there is nothing to ask for', async (_what, changes) => {
    const promotion = await stage.start({ rules: composeApprovedRules({}, changes) });
    expect(await promotion.result()).toMatchObject({
      state: 'failed',
      reason: { code: 'approval-impossible' },
    });
  });

  test('where nobody is asked an Update is refused', async () => {
    const hold = createPoint();
    const verifying = createPoint();
    const promotion = await stage.start({
      rules: composeRules(),
      steps: {
        verify: async () => {
          verifying.reach();
          await hold.reached;
          return { outcome: 'succeeded', outputs: {}, reason: null };
        },
      },
    });
    await verifying.reached;
    expect(await answerOf(decide(promotion, ballotFor(promotion)))).toBe('approval-not-open');
    hold.reach();
    await promotion.result();
    await until(() => promotion.records.lease.holder === undefined);
  });
});
