import type { StepFixture } from '../testing/step-fixture.ts';

/** `verify@1` over a service of its own making. */
export const VERIFY_FIXTURE: StepFixture = {
  type: 'verify@1',
  open: async () => {
    let status = 200;
    return {
      parts: { fetchUrl: async () => new Response('', { status }) },
      runs: [{ name: 'is healthy', inputs: {}, onTarget: true }],
      failures: [{ name: 'is sick', inputs: {}, onTarget: true, code: 'target-unhealthy' }],
      slow: null,
      before: async (_promotionId, { name }) => {
        status = name === 'is sick' ? 500 : 200;
      },
      close: async () => undefined,
    };
  },
};
