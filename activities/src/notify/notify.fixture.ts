import { keyOf, localClients } from '../outbound/testing/fake-run.ts';
import { serveLocally } from '../outbound/testing/local-server.ts';
import { createMemorySecrets } from '../secrets/memory-secrets.ts';
import type { StepFixture } from '../testing/step-fixture.ts';
import { createNotifyChannels } from './notify-channels.ts';

/** `notify@1` with a webhook that notes the keys of what it is told, one that refuses, and one that never answers. */
export const NOTIFY_FIXTURE: StepFixture = {
  type: 'notify@1',
  open: async ({ tenantId }) => {
    const keys: string[] = [];
    const server = await serveLocally(({ url, headers }, response) => {
      if (url === '/silent') return;
      if (url === '/ops') keys.push(keyOf(headers));
      response.writeHead(url === '/ops' ? 204 : 403).end();
    });
    const { origin } = server;
    return {
      parts: {
        outbound: localClients(),
        secrets: createMemorySecrets({ [`${tenantId}/_shared/token`]: 'a token for the fixture' }),
        channels: createNotifyChannels({
          [tenantId]: {
            ops: { kind: 'webhook', url: `${origin}/ops`, bearer: 'token' },
            closed: { kind: 'webhook', url: `${origin}/closed` },
            silent: { kind: 'webhook', url: `${origin}/silent` },
          },
        }),
      },
      runs: [{ name: 'tells', inputs: { channel: 'ops', message: 'shop 1.4.0 is in prod.' } }],
      failures: [
        {
          name: 'no such channel',
          inputs: { channel: 'nobody', message: 'hi' },
          code: 'channel-unknown',
        },
        {
          name: 'refused',
          inputs: { channel: 'closed', message: 'hi' },
          code: 'notify-undelivered',
        },
      ],
      slow: { name: 'never answered', inputs: { channel: 'silent', message: 'hi' } },
      effects: async () => keys,
      close: () => server.close(),
    };
  },
};
