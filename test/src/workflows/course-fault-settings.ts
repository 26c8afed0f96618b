import type { FrozenRules } from '@sluice/temporal-contract';
import type { FakeSettings } from './fake-activities.ts';
import { unsuccessful } from './fake-activities.ts';
import { composeCourseRules, matrix, step } from './fake-course-rules.ts';
import { layoutOf, verdict } from './fake-rollout.ts';

/** A course with a group, a condition and effects of two kinds, whose verification fails. */
export function coursePutBack(changes: Partial<FrozenRules>): FakeSettings {
  const rules = composeCourseRules(
    [
      step('migrate', { type: 'script@1', concurrencyGroup: 'db' }),
      step('optional', { needs: ['migrate'], if: 'false' }),
      step('plan', { type: 'plan@1' }),
      step('deploy', { type: 'deploy@1', needs: ['plan', 'optional'] }),
      step('verify', { type: 'verify@1', needs: ['deploy'] }),
      step('report', { needs: ['verify'], when: 'always' }),
    ],
    changes,
  );
  return { rules, steps: { verify: async () => unsuccessful('failed', 'unhealthy') } };
}

/** A course with a matrix, an approval and a deployment, all of which go well. */
export function courseOfPeople(changes: Partial<FrozenRules>): FakeSettings {
  const rules = composeCourseRules(
    [
      step('fan', { matrix: matrix({ failFast: true, maxParallel: 2 }) }),
      step('plan', { type: 'plan@1', needs: ['fan'] }),
      step('ask', { type: 'approval@1', needs: ['plan'] }),
      step('deploy', { type: 'deploy@1', needs: ['ask'] }),
    ],
    changes,
  );
  return { rules, members: { fan: ['a', 'b', 'c'] } };
}

/** A canary with a router, whose second stage does not hold. */
export function rolloutPutBack(changes: Partial<FrozenRules>): FakeSettings {
  const rules = composeCourseRules(
    [
      step('plan', { type: 'plan@1' }),
      step('roll', { type: 'rollout@1', needs: ['plan'] }),
      step('report', { needs: ['roll'], when: 'always' }),
    ],
    changes,
  );
  const layout = layoutOf(
    rules.targets.map((_, at) => at + 1),
    { strategy: 'canary', router: 'edge' },
    (at) => ({ soakSeconds: 1, gate: at > 0 }),
  );
  const last = layout.stages.length - 1;
  return {
    rules,
    rollouts: { roll: layout },
    watch: async (at) => (at === last ? verdict('fail', 'errors-rose') : 'pass'),
  };
}
