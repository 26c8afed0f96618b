import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { healthUrl, probeHealth } from './http-probe.ts';

const never = new AbortController().signal;
let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

test('good answers in a row count as healthy', async () => {
  const statuses = [500, 200, 500, 200, 200];
  const probe = await serve(() => statuses.shift() ?? 200);
  const result = await probeHealth('127.0.0.1', { ...probe, successes: 2 }, soon(), never);
  expect(result).toMatchObject({ healthy: true, tries: 5, lastOutcome: 'HTTP 200' });
});

test('failures in a row name URL, status and tries', async () => {
  const probe = await serve(() => 503);
  expect(await probeHealth('127.0.0.1', probe, soon(), never)).toEqual({
    healthy: false,
    url: `http://127.0.0.1:${probe.port}/healthz`,
    tries: 3,
    lastOutcome: 'HTTP 503',
  });
});

test('a redirect, a refused connection and silence are failures', async () => {
  const redirecting = await serve(() => 302);
  expect((await probeHealth('127.0.0.1', redirecting, soon(), never)).lastOutcome).toBe('HTTP 302');
  server?.close();
  const refused = await probeHealth('127.0.0.1', redirecting, soon(), never);
  expect(refused.lastOutcome).toBe('ECONNREFUSED');
  const silent = await serve(() => null);
  const waited = await probeHealth('127.0.0.1', { ...silent, timeoutMs: 50 }, soon(), never);
  expect(waited).toMatchObject({ healthy: false, lastOutcome: 'no answer within 50 ms' });
});

test('an endless body does not fill the memory', async () => {
  const probe = await serve(() => 200, true);
  const result = await probeHealth('127.0.0.1', { ...probe, successes: 1 }, soon(), never);
  expect(result.healthy).toBe(true);
});

test('the deadline ends it as unhealthy, a cancellation throws', async () => {
  const probe = await serve(() => 500);
  const patient = { ...probe, failures: 1_000_000 };
  const late = await probeHealth('127.0.0.1', patient, Date.now() + 100, never);
  expect(late).toMatchObject({ healthy: false, lastOutcome: expect.stringContaining('deadline') });
  const cancel = new AbortController();
  setTimeout(() => cancel.abort(new Error('cancelled')), 50);
  await expect(probeHealth('127.0.0.1', patient, soon(), cancel.signal)).rejects.toThrow(
    'cancelled',
  );
});

test('addresses', () => {
  const probe = {
    path: '/h',
    port: 80,
    intervalMs: 1,
    timeoutMs: 1,
    successes: 1,
    failures: 1,
  };
  expect(healthUrl('::1', { ...probe, port: 8080 })).toBe('http://[::1]:8080/h');
  expect(healthUrl('host.example', probe)).toBe('http://host.example/h');
});

function soon(): number {
  return Date.now() + 10_000;
}

async function serve(status: () => number | null, endless = false) {
  server = createServer((_request, response) => {
    const code = status();
    if (code === null) return;
    response.writeHead(code, code === 302 ? { location: '/elsewhere' } : {});
    if (!endless) {
      response.end();
      return;
    }
    const pour = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(16_384)));
    };
    response.on('drain', pour);
    pour();
  });
  const listening = server;
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  return {
    path: '/healthz',
    port: (listening.address() as AddressInfo).port,
    intervalMs: 5,
    timeoutMs: 2000,
    successes: 1,
    failures: 3,
  };
}
