import { keyOf, localClients } from '../outbound/testing/fake-run.ts';
import { serveLocally } from '../outbound/testing/local-server.ts';
import { createMemorySecrets } from '../secrets/memory-secrets.ts';
import type { StepFixture } from '../testing/step-fixture.ts';

/** `http@1` with a service that notes the keys of what it changes, and one that never answers. */
export const HTTP_FIXTURE: StepFixture = {
  type: 'http@1',
  open: async ({ tenantId }) => {
    const keys: string[] = [];
    const server = await serveLocally(({ method, url, headers }, response) => {
      if (url === '/silent') return;
      if (method !== 'GET') keys.push(keyOf(headers));
      const status = { '/gone': 404, '/busy': 503 }[url] ?? 200;
      response.writeHead(status, { 'content-type': 'application/json' }).end('{"ready":true}');
    });
    const at = (path: string): string => server.origin + path;
    return {
      parts: {
        outbound: localClients(),
        secrets: createMemorySecrets({ [`${tenantId}/_shared/token`]: 'a token for the fixture' }),
      },
      runs: [
        { name: 'asks', inputs: { url: at('/ready') } },
        {
          name: 'changes something',
          inputs: {
            url: at('/pool'),
            method: 'POST',
            json: { drain: true },
            secretHeaders: { authorization: 'token' },
          },
        },
      ],
      failures: [
        { name: 'not there', inputs: { url: at('/gone') }, code: 'http-status-unexpected' },
        { name: 'busy', inputs: { url: at('/busy') }, code: 'http-status-temporary' },
        {
          name: 'too long',
          inputs: { url: at('/ready'), maxResponseBytes: 3 },
          code: 'http-answer-too-large',
        },
        {
          name: 'metadata',
          inputs: { url: 'http://169.254.169.254/latest/meta-data/' },
          code: 'address-refused',
        },
        {
          name: 'without its secret',
          inputs: { url: at('/ready'), secretHeaders: { authorization: 'nobody' } },
          code: 'secret-unknown',
        },
      ],
      slow: { name: 'never answered', inputs: { url: at('/silent') } },
      effects: async () => keys,
      close: () => server.close(),
    };
  },
};
