import { recordHeartbeat, withTenant } from '@sluice/persistence';
import { digestOfBytes } from '@sluice/pure';
import type { StepFixture } from '../testing/step-fixture.ts';

const UNKNOWN = 'an unknown release';

/** `plan@1`: records alone. Its agent tells of a release that nobody knows where that is to fail. */
export const PLAN_FIXTURE: StepFixture = {
  type: 'plan@1',
  open: async ({ tenantId, scene }) => ({
    parts: {},
    runs: [{ name: 'a first release', inputs: {} }],
    failures: [
      { name: 'no release yet', inputs: {}, makesRelease: true, code: 'release-not-made' },
      { name: UNKNOWN, inputs: {}, code: 'target-state-unknown' },
    ],
    slow: null,
    before: async (_promotionId, { name }) => {
      const activeRelease = name === UNKNOWN ? digestOfBytes('nobody knows') : null;
      await withTenant(scene.app, tenantId, (tx) =>
        recordHeartbeat(tx, { target: 'dev-1', version: '0.1.0', activeRelease }),
      );
    },
    close: async () => undefined,
  }),
};
