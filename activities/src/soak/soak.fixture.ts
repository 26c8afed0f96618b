import { localClients } from '../outbound/testing/fake-run.ts';
import { serveLocally } from '../outbound/testing/local-server.ts';
import type { StepFixture } from '../testing/step-fixture.ts';

/** `soak@1` over a healthy service and a sick one. */
export const SOAK_FIXTURE: StepFixture = {
  type: 'soak@1',
  open: async () => {
    const server = await serveLocally(({ url }, response) => {
      response.writeHead(url === '/sick' ? 503 : 200).end();
    });
    const probes = (path: string) => [{ url: server.origin + path }];
    return {
      parts: { outbound: localClients() },
      runs: [{ name: 'stays healthy', inputs: { seconds: 1, probes: probes('/well') } }],
      failures: [
        {
          name: 'is sick',
          inputs: { seconds: 30, everySeconds: 1, probes: probes('/sick') },
          code: 'soak-unhealthy',
        },
      ],
      slow: { name: 'an hour', inputs: { seconds: 3600, probes: probes('/well') } },
      close: () => server.close(),
    };
  },
};
