import { listCommands, withTenant } from '@sluice/persistence';
import type { StepFixture } from '../testing/step-fixture.ts';

/** `rollout@1` with an agent that does what it is told, or refuses. */
export const ROLLOUT_FIXTURE: StepFixture = {
  type: 'rollout@1',
  open: async ({ tenantId, scene }) => ({
    parts: {},
    runs: [{ name: 'is activated', inputs: { strategy: 'rolling' }, onTarget: true }],
    failures: [
      { name: 'is refused', inputs: { strategy: 'rolling' }, onTarget: true, code: 'disk-full' },
    ],
    slow: null,
    effects: async () => {
      const keys = await scene.database.query<{ key: string }>(
        `select idempotency_key as key from sluice.commands where kind = 'deploy' order by sequence`,
      );
      return keys.map(({ key }) => key.replace(/\/deploy$/, ''));
    },
    answer: async (promotionId, { name }) => {
      const [command] = await withTenant(scene.worker, tenantId, (tx) =>
        listCommands(tx, promotionId),
      );
      if (command === undefined) return;
      const failure = { code: 'disk-full', message: 'There is no room.' };
      await (name === 'is refused'
        ? scene.report(command, 'refused', null, failure)
        : scene.report(command, 'confirmed', command.releaseDigest));
    },
    close: async () => undefined,
  }),
};
