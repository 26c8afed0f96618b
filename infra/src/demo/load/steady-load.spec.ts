import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { startLoad } from './steady-load.ts';

describe('a steady load', () => {
  const servers: Server[] = [];

  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.close();
      server.closeAllConnections();
    }
  });

  async function listen(server: Server): Promise<string> {
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  }

  test('keeps its rate and its connections whatever the answers take', async () => {
    let connections = 0;
    const server = createServer((_, response) => {
      setTimeout(() => response.writeHead(200, { 'x-version': '1' }).end('hello'), 60);
    });
    server.on('connection', () => (connections += 1));
    const load = startLoad({ url: await listen(server), perSecond: 100 });
    await sleep(600);
    const elapsedMs = Date.now() - load.startedAt;
    await load.stop();
    const { total, versions } = load.record.span();
    expect(total.requests).toBeGreaterThan(40);
    expect(total.requests).toBeLessThanOrEqual(elapsedMs / 10 + 1);
    expect([total.errors, total.lost, load.skipped()]).toEqual([0, 0, 0]);
    expect(versions['1']?.requests).toBe(total.requests);
    expect(total.p50).toBeGreaterThanOrEqual(55);
    expect(connections).toBeLessThan(40);
  });

  test('tells errors, and what was lost, from what was only closed between two requests', async () => {
    let asked = 0;
    const server = createServer((request, response) => {
      asked += 1;
      if (asked % 4 === 1) response.writeHead(500).end();
      else if (asked % 4 === 2) request.socket.destroy();
      else response.end('well');
    });
    const load = startLoad({ url: await listen(server), perSecond: 80 });
    await sleep(500);
    await load.stop();
    const { total } = load.record.span();
    expect(total.errors).toBeGreaterThan(0);
    // A destroyed connection that had served before is tried again; a first one's request is lost.
    expect(total.lost + load.retried()).toBeGreaterThan(0);
    expect(total.requests).toBeGreaterThan(total.errors + total.lost);
  });

  test('sends nothing beyond what may be unanswered, and says how much', async () => {
    const server = createServer(() => undefined);
    const url = await listen(server);
    const load = startLoad({ url, perSecond: 200, maxInFlight: 2, timeoutMs: 300 });
    await sleep(250);
    await load.stop();
    expect(load.record.span().total).toMatchObject({ requests: 2, lost: 2, p50: null });
    expect(load.skipped()).toBeGreaterThan(20);
  });

  test('is for this machine alone, and bounded', () => {
    expect(() => startLoad({ url: 'http://example.org/', perSecond: 1 })).toThrow(/loopback/);
    expect(() => startLoad({ url: 'http://127.0.0.1:1/', perSecond: 2000 })).toThrow(/1,000/);
  });
});
