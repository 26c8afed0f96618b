import type { CourseStep } from '@sluice/domain';
import type { StepResult } from '@sluice/temporal-contract';
import { PROMOTION_MESSAGES, shardWorkflowId } from '@sluice/temporal-contract';
import { cancel, denies, fails, gives, hangs } from '../workflows/course-stage.ts';
import { succeeded, unsuccessful } from '../workflows/fake-activities.ts';
import { composeCourseRules, matrix, step } from '../workflows/fake-course-rules.ts';
import { ballotFor, decide, startSettlement, untilAsked } from '../workflows/promotion-stage.ts';
import { createPoint } from '../workflows/waiting.ts';
import { LATE_COURSE_STORIES } from './late-course-stories.ts';
import { playPromotion, type Story } from './play-promotion.ts';
import { playResumed } from './play-resumed.ts';

const approval = { count: 1, roles: ['approver' as const], deadlineSeconds: 600 };

const rollOut: readonly CourseStep[] = [
  step('plan', { type: 'plan@1' }),
  step('deploy', { type: 'deploy@1', needs: ['plan'] }),
  step('verify', { type: 'verify@1', needs: ['deploy'] }),
  step('report', { needs: ['verify'], when: 'always' }),
  step('alarm', { when: 'onFailure' }),
];

/** Conditions, values, a matrix, a group, a wait, a failure that is taken, and a release that a step makes. */
function withEverything(): Story {
  const steps = [
    step('build', { reads: ['size'] }),
    step('make', { type: 'release@1', needs: ['build'] }),
    step('lint', { continueOnFailure: true, concurrencyGroup: 'ci' }),
    step('test', { concurrencyGroup: 'ci' }),
    step('small', { needs: ['build'], if: 'steps.build.outputs.size < 10' }),
    step('fan', { needs: ['make', 'small'], matrix: matrix({ policy: 'minimum', minimum: 1 }) }),
    step('pause', { type: 'wait@1', needs: ['fan'], inputs: { seconds: 1 } }),
    step('told', { when: 'onCancel' }),
  ];
  return playPromotion({
    rules: composeCourseRules(steps),
    members: { fan: ['a', 'b', 'c'] },
    steps: {
      build: gives({ size: 11 }),
      make: async () => made(),
      lint: fails,
      fan: async ({ member }) => (member?.key === 'b' ? fails() : succeeded('fan')),
    },
  });
}

function made(): StepResult {
  const release = `sha256:${'7'.repeat(64)}`;
  return {
    outcome: 'succeeded',
    outputs: { release },
    values: { release, name: 'shop', version: '2.0.0' },
    reason: null,
  };
}

function approvedTwice(): Story {
  const steps = [
    step('plan', { type: 'plan@1' }),
    step('extra', { needs: ['plan'], if: 'false' }),
    step('ask', { type: 'approval@1', needs: ['plan'] }),
    step('deploy', { type: 'deploy@1', needs: ['ask', 'extra'] }),
  ];
  return playPromotion({ rules: composeCourseRules(steps, { approval }) }, async (promotion) => {
    await untilAsked(promotion);
    promotion.records.world = 1;
    const { resource } = promotion;
    await promotion.handle.signal(PROMOTION_MESSAGES.targetsChanged, { resource });
    await untilAsked(promotion, 2);
    await decide(promotion, ballotFor(promotion));
  });
}

function interrupted(by: 'cancel' | 'supersede' | 'settle'): Story {
  const { reached, reach } = createPoint();
  const rules = composeCourseRules([
    step('migrate', { type: 'script@1' }),
    step('plan', { type: 'plan@1' }),
    step('deploy', { type: 'deploy@1', needs: ['plan', 'migrate'] }),
    step('watch', { needs: ['deploy'] }),
    step('told', { when: 'onCancel' }),
  ]);
  return playPromotion({ rules, steps: { watch: hangs(reach) } }, async (promotion, { client }) => {
    await reached;
    if (by === 'cancel') return cancel(promotion);
    if (by === 'supersede') {
      promotion.records.lease.preempt('promotion:dev/99');
      return promotion.handle.signal(PROMOTION_MESSAGES.supersedePromotion, { by: 'dev/99' });
    }
    await promotion.handle.terminate('a test');
    return startSettlement(client, promotion.input, {
      code: 'promotion-abandoned',
      message: 'Its workflow was terminated.',
    });
  });
}

/** @param give the shard's own run instead of its promotion's */
function inShards(give: 'promotion' | 'shard'): Story {
  const rules = composeCourseRules([
    step('fan', { matrix: matrix({ maxParallel: 100, failFast: true }) }),
  ]);
  const keys = Array.from({ length: 210 }, (_, index) => `m${index}`);
  return playPromotion({ rules, members: { fan: keys } }, async ({ handle, input }, { client }) => {
    await handle.result();
    if (give === 'promotion') return handle;
    return client.workflow.getHandle(shardWorkflowId(input.promotion, 'fan', 1, 200));
  });
}

/** Ends by continuing as new; wants an engine that asks for it soon. */
function continued(): Story {
  const steps = Array.from({ length: 12 }, (_, index) =>
    step(`s${index}`, { needs: index === 0 ? [] : [`s${index - 1}`] }),
  );
  return playPromotion({ rules: composeCourseRules(steps) }, async ({ handle }, { client }) => {
    await handle.result();
    const { firstExecutionRunId } = handle as { readonly firstExecutionRunId?: string };
    return client.workflow.getHandle(handle.workflowId, firstExecutionRunId);
  });
}

/** Recorded on an engine that asks a run of a few dozen events to continue as new. */
export const CONTINUED_STORIES: ReadonlySet<string> = new Set([
  'promotion-succeeded-course-continued',
]);

/** What promotions do whose pipelines are data. Named by file. */
export const COURSE_STORIES: Readonly<Record<string, Story>> = {
  'promotion-succeeded-course': withEverything(),
  'promotion-succeeded-course-two-rounds': approvedTwice(),
  'promotion-succeeded-course-in-shards': inShards('promotion'),
  'promotion-succeeded-course-continued': continued(),
  'promotion-reverted-course': playPromotion({
    rules: composeCourseRules(rollOut),
    steps: { verify: fails },
  }),
  'promotion-reverted-course-resumed': playResumed({
    steps: [
      step('one', { type: 'script@1', reads: ['n'] }),
      step('two', { needs: ['one'], if: 'steps.one.outputs.n == 7' }),
      step('three', { needs: ['two'] }),
      step('told', { needs: ['three'], when: 'always' }),
    ],
    done: ['one'],
    settings: { steps: { three: fails } },
    state: { values: { one: { n: 7 } } },
  }),
  'promotion-denied-course': playPromotion({
    rules: composeCourseRules([
      step('gate', { type: 'gate@1' }),
      step('next', { needs: ['gate'] }),
      step('alarm', { when: 'onFailure' }),
    ]),
    steps: { gate: denies },
  }),
  'promotion-failed-course-not-put-back': playPromotion({
    rules: composeCourseRules([
      step('migrate', { type: 'script@1' }),
      step('bad', { needs: ['migrate'] }),
    ]),
    steps: { bad: fails },
    compensate: async () => unsuccessful('failed', 'stuck'),
  }),
  'promotion-cancelled-course': interrupted('cancel'),
  'promotion-cancelled-course-superseded': interrupted('supersede'),
  'settlement-reverted-course': interrupted('settle'),
  'shard-counted': inShards('shard'),
  ...LATE_COURSE_STORIES,
};
