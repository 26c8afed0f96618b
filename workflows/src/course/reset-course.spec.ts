import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { CourseStep } from '@sluice/domain';
import type { PromotionResult } from '@sluice/temporal-contract';
import { bundleSources, editBundle } from '../../../test/src/workflows/bundle-workflows.ts';
import type { CourseSettings } from '../../../test/src/workflows/course-stage.ts';
import { cancel, hangs } from '../../../test/src/workflows/course-stage.ts';
import { succeeded, unsuccessful } from '../../../test/src/workflows/fake-activities.ts';
import { composeCourseRules, matrix, step } from '../../../test/src/workflows/fake-course-rules.ts';
import type { FakeRecords } from '../../../test/src/workflows/fake-records.ts';
import type {
  PlayedPromotion,
  PromotionStage,
} from '../../../test/src/workflows/promotion-stage.ts';
import { createPromotionStage } from '../../../test/src/workflows/promotion-stage.ts';
import { resetToFirstTask, untilBegun } from '../../../test/src/workflows/reset-run.ts';
import { createPoint } from '../../../test/src/workflows/waiting.ts';
import type { WorkflowEnvironment } from '../../../test/src/workflows/workflow-environment.ts';
import { openWorkflowEnvironment } from '../../../test/src/workflows/workflow-environment.ts';

/*
 * A run that a reset began anew ends before it has come to all that the run before it has done: the records know of that.
 */
let env: WorkflowEnvironment;
let stage: PromotionStage;

beforeAll(async () => {
  const from = "const OUTLIVING = '15s';";
  const hasty = editBundle(await bundleSources(), from, "const OUTLIVING = '1s';");
  env = await openWorkflowEnvironment(hasty);
  stage = createPromotionStage(env);
});
afterAll(() => stage.close());

interface Reset extends Omit<CourseSettings, 'rules' | 'meanwhile' | 'steps'> {
  /** Once the new run has begun its first step; or, `atOnce`, while it asks for its rules. */
  readonly after?: (promotion: PlayedPromotion) => Promise<unknown>;
  readonly atOnce?: true;
}

/** Runs up to the step `watch`, is reset to its first task, and begins anew with `pause`; a second `watch` succeeds. */
async function playReset(
  steps: readonly CourseStep[],
  { after = async () => undefined, atOnce, ...settings }: Reset,
): Promise<{ readonly result: PromotionResult; readonly records: FakeRecords }> {
  const { reached, reach } = createPoint();
  const pause = step('pause', { type: 'wait@1', inputs: { seconds: 1 } });
  const rules = composeCourseRules([pause, ...steps]);
  let [freezes, watches] = [0, 0];
  const renewed: { promotion?: PlayedPromotion } = {};
  const watch: ReturnType<typeof hangs> = () => {
    watches += 1;
    return watches === 1 ? hangs(reach)() : Promise.resolve(succeeded('watch'));
  };
  const promotion = await stage.start({ ...settings, rules, steps: { watch } }, (activities) => ({
    ...activities,
    freezeRules: async (input) => {
      freezes += 1;
      // Told while it is asked: the run never gets this answer.
      const { promotion: second } = renewed;
      if (freezes === 2 && atOnce === true && second !== undefined) await after(second);
      return activities.freezeRules(input);
    },
  }));
  await reached;
  const handle = env.client.workflow.getHandle(promotion.handle.workflowId);
  renewed.promotion = { ...promotion, handle };
  await resetToFirstTask(env, promotion.handle);
  if (atOnce !== true) {
    await untilBegun(handle, 'pause');
    await after(renewed.promotion);
  }
  return { result: (await handle.result()) as PromotionResult, records: promotion.records };
}

const undone = ({ journal }: FakeRecords): readonly string[] =>
  journal.filter((line) => /^(undo|revert)/.test(line));

const SHORT: readonly CourseStep[] = [
  step('early', { type: 'script@1' }),
  step('migrate', { type: 'script@1', needs: ['pause', 'early'] }),
  step('watch', { needs: ['migrate'] }),
];

test('what the run did not come to is put back, what others need last', async () => {
  const { result, records } = await playReset(
    [
      step('plan', { type: 'plan@1', needs: ['pause'] }),
      step('migrate', { type: 'script@1', needs: ['pause'] }),
      step('fill', { type: 'script@1', needs: ['migrate'], matrix: matrix() }),
      step('deploy', { type: 'deploy@1', needs: ['fill', 'plan'] }),
      step('watch', { needs: ['deploy'] }),
      step('never', { type: 'script@1', needs: ['watch'] }),
      step('told', { when: 'onCancel', needs: ['watch'] }),
    ],
    { members: { fill: ['x', 'y'] }, after: cancel },
  );
  expect(result).toMatchObject({ state: 'cancelled', reason: { code: 'promotion-cancelled' } });
  const kinds = undone(records).map((line) => line.split(/[ /]/).slice(0, 2).join(' '));
  const reverts = kinds.filter((kind) => kind.startsWith('revert'));
  expect(reverts.length).toBeGreaterThan(0);
  expect(kinds).toEqual([...reverts, 'undo fill', 'undo fill', 'undo migrate']);
  expect(Object.fromEntries(records.stepStates)).toMatchObject({
    ...{ migrate: 'reverted', fill: 'reverted', deploy: 'reverted' },
    ...{ never: 'skipped', told: 'succeeded' },
  });
  expect(records.seals.size).toBe(1);
});

test('its own is put back after that, and each once', async () => {
  const { result, records } = await playReset(SHORT, { after: cancel });
  expect(result.state).toBe('cancelled');
  expect(undone(records)).toEqual(['undo migrate succeeded', 'undo early succeeded']);
});

test('what could not be put back is named, with what to do', async () => {
  const { result, records } = await playReset(SHORT, {
    compensate: async ({ stepId }) =>
      stepId === 'migrate' ? unsuccessful('failed', 'stuck') : succeeded(stepId),
    after: cancel,
  });
  expect(result).toMatchObject({ state: 'failed', reason: { code: 'compensation-failed' } });
  expect(result.reason?.message).toContain('Step migrate was not put back');
  expect(Object.fromEntries(records.stepStates)).toMatchObject({
    ...{ migrate: 'succeeded', early: 'reverted' },
  });
});

test('cancelled before it has its rules again, it asks the records for all', async () => {
  const { result, records } = await playReset(SHORT, { after: cancel, atOnce: true });
  expect(result).toMatchObject({ state: 'cancelled', reason: { code: 'promotion-cancelled' } });
  expect(undone(records)).toEqual(['undo migrate succeeded', 'undo early succeeded']);
  expect(records.stepStates.get('migrate')).toBe('reverted');
  expect(records.seals.size).toBe(1);
}, 60_000);

test('one that succeeds puts nothing back', async () => {
  const { result, records } = await playReset(SHORT, {});
  expect(result.state).toBe('succeeded');
  expect(undone(records)).toEqual([]);
});
