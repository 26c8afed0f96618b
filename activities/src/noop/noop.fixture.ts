import type { StepFixture } from '../testing/step-fixture.ts';

/** `noop@1`: cannot fail, and ends at once. */
export const NOOP_FIXTURE: StepFixture = {
  type: 'noop@1',
  open: async () => ({
    parts: {},
    runs: [{ name: 'nothing', inputs: {} }],
    failures: [],
    slow: null,
    close: async () => undefined,
  }),
};
