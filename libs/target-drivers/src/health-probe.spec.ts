import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import { probeOnce, waitUntilHealthy } from './health-probe.ts';

const alive = async () => undefined;

test('what an unhealthy service answered stands in the message, on one line, without control characters', async () => {
  const said = 'no database:\r\n  \u001b[31mconnection\u0000 refused\u202e at db\u20285432\n';
  await serving(
    (_request, response) => response.writeHead(503).end(said),
    async (port) => {
      const outcome = await waitUntilHealthy(probeOf(port), alive);
      expect(outcome).toMatchObject({ ok: false, refusal: { code: 'service-unhealthy' } });
      expect(outcome).toMatchObject({
        refusal: {
          message: expect.stringContaining(
            'last: it answered 503: "no database: ?[31mconnection? refused? at db 5432". Look',
          ),
        },
      });
    },
  );
});

test('200 characters of it and no more, also of an answer without end', async () => {
  await serving(
    (request, response) => {
      response.writeHead(500);
      const more = () => {
        while (!request.destroyed && response.write('é'.repeat(1000)));
      };
      response.on('drain', more);
      more();
    },
    async (port) => {
      expect(await probeOnce(probeOf(port))).toEqual({
        healthy: false,
        why: `it answered 500: "${'é'.repeat(200)}"`,
      });
    },
  );
});

test('an empty answer, a cut one and a late one are told by their status and what came', async () => {
  const answers: Readonly<Record<string, RequestListener>> = {
    'it answered 404': (_request, response) => response.writeHead(404).end(),
    'it answered 500: "cut"': (_request, response) => {
      response.writeHead(500, { 'content-length': '10' }).write('cut', () => response.destroy());
    },
    'it answered 502: "late"': (_request, response) => response.writeHead(502).write('late'),
  };
  for (const [why, listener] of Object.entries(answers)) {
    const timeoutMs = why.includes('late') ? 1500 : undefined;
    await serving(listener, async (port) => {
      expect(await probeOnce(probeOf(port, timeoutMs))).toEqual({ healthy: false, why });
    });
  }
});

test('a service that is well is not asked for more than its status', async () => {
  await serving(
    (_request, response) => response.writeHead(200).write('and so on'),
    async (port) => {
      expect(await probeOnce(probeOf(port))).toEqual({ healthy: true });
    },
  );
});

/** Only an answer that never ends waits for the end of its time. */
function probeOf(port: number, timeoutMs = 10_000) {
  return { port, path: '/', intervalMs: 1, timeoutMs, successes: 1, failures: 2 };
}

async function serving(listener: RequestListener, work: (port: number) => Promise<void>) {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await work((server.address() as AddressInfo).port);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}
