import { beforeAll, expect, test } from '@jest/globals';
import { WORKFLOWS } from '@sluice/temporal-contract';
import type { WorkflowBundle } from '@temporalio/worker';
import { bundleSources, editBundle } from '../../../test/src/workflows/bundle-workflows.ts';
import { step } from '../../../test/src/workflows/fake-course-rules.ts';
import { layoutOf, verdict } from '../../../test/src/workflows/fake-rollout.ts';
import { playQuickly } from '../../../test/src/workflows/in-memory-course.ts';

let bundle: WorkflowBundle;
beforeAll(async () => {
  const from = 'const LONG_HISTORY = 8000;';
  bundle = editBundle(await bundleSources(), from, 'const LONG_HISTORY = 30;');
});

const HOSTS = ['a', 'b', 'c', 'd'];

test('requests stay off what is bad in the run after a renewal, until it was put back', async () => {
  const { result, records, runs } = await playQuickly(
    bundle,
    [step('plan', { type: 'plan@1' }), step('roll', { type: 'rollout@1', needs: ['plan'] })],
    {
      members: { roll: HOSTS },
      rollouts: {
        roll: layoutOf([1, 4], { strategy: 'canary', router: 'edge' }, () => ({ soakSeconds: 30 })),
      },
      watch: async () => verdict('fail', 'errors-rose'),
      rules: { targets: HOSTS },
    },
  );
  expect(result).toMatchObject({ state: 'reverted', reason: { code: 'errors-rose' } });
  const promotion = runs.filter(({ type }) => type === WORKFLOWS.promoteRelease);
  expect(promotion.map(({ status }) => status)).toContain('continued-as-new');
  expect(records.journal.slice(-4)).toEqual([
    'route stage-0 succeeded',
    'route off-1 succeeded',
    'revert a succeeded',
    'route restore succeeded',
  ]);
});
