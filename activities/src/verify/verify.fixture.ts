import type { StepFixture } from '../testing/step-fixture.ts';
import type { Fetch } from './http-probe.ts';

/** Healthy at every other try, and without an answer between them: neither good nor bad before the deadline. */
const SILENT = 0;

/** `verify@1` over a service of its own making. */
export const VERIFY_FIXTURE: StepFixture = {
  type: 'verify@1',
  open: async () => {
    let status = 200;
    let tries = 0;
    const fetchUrl: Fetch = (_url, { signal }) => {
      tries += 1;
      const answers = status !== SILENT || tries % 2 === 1;
      return answers
        ? Promise.resolve(new Response('', { status: status === SILENT ? 200 : status }))
        : new Promise((_resolve, reject) => {
            signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
          });
    };
    return {
      parts: { fetchUrl },
      runs: [{ name: 'is healthy', inputs: {}, onTarget: true }],
      failures: [{ name: 'is sick', inputs: {}, onTarget: true, code: 'target-unhealthy' }],
      slow: { name: 'hangs', inputs: {}, onTarget: true },
      before: async (_promotionId, { name }) => {
        status = { 'is sick': 500, hangs: SILENT }[name] ?? 200;
      },
      close: async () => undefined,
    };
  },
};
