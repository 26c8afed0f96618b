import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { getTool } from '@sluice/infra';
import { createOutboundClients } from '../outbound/outbound-clients.ts';
import { type LocalServer, serveLocally } from '../outbound/testing/local-server.ts';
import type { ProviderQuery, ProviderReach } from './analysis-provider.ts';
import { createPrometheusProvider } from './prometheus-provider.ts';
import { accessOf } from './provider-access.ts';

const REACH: ProviderReach = {
  tenantId: 'acme',
  environment: 'dev',
  promotionId: 'dev/1',
  releaseDigest: `sha256:${'1'.repeat(64)}`,
  cancellation: new AbortController().signal,
};

const SCRAPE_MS = 250;
/** How long is scraped before anything is asked. */
const HISTORY_MS = 6000;

let folder: string;
let service: LocalServer;
let prometheus: ChildProcess;
let url: string;
const began = Date.now();
let resetAt = Number.POSITIVE_INFINITY;
let from: number;

/** What the service tells: a counter that is reset in the middle, as one that was started again, and a gauge that is no number. */
function metricsText(): string {
  const now = Date.now();
  const requests = Math.floor((now < resetAt ? now - began + 1_000_000 : now - resetAt) / 25);
  return [
    '# TYPE hello_requests_total counter',
    `hello_requests_total{target="web-1",code="200"} ${requests}`,
    `hello_requests_total{target="web-1",code="500"} ${Math.floor(requests / 10)}`,
    `hello_requests_total{target="web-10",code="200"} ${requests * 100}`,
    '# TYPE hello_ratio gauge',
    'hello_ratio{target="web-1"} NaN',
    '',
  ].join('\n');
}

beforeAll(async () => {
  const { path } = await getTool('prometheus');
  folder = await mkdtemp(join(tmpdir(), 'sluice-prometheus-'));
  service = await serveLocally((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(metricsText());
  });
  const config = join(folder, 'prometheus.yml');
  await writeFile(
    config,
    `global: {scrape_interval: ${SCRAPE_MS}ms, scrape_timeout: ${SCRAPE_MS}ms}
scrape_configs:
  - {job_name: hello, static_configs: [{targets: ["127.0.0.1:${service.port}"]}]}
`,
  );
  const port = await findPort();
  url = `http://127.0.0.1:${port}`;
  prometheus = spawn(
    path,
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: 'ignore' },
  );
  for (let tries = 0; service.seen.length === 0; tries += 1) {
    if (tries > 200) throw new Error('Prometheus does not scrape.');
    await sleep(50);
  }
  from = Date.now();
  resetAt = from + 3000;
  await sleep(HISTORY_MS);
}, 40_000);

afterAll(async () => {
  if (prometheus?.exitCode === null && prometheus.signalCode === null) {
    prometheus.kill('SIGKILL');
    await once(prometheus, 'exit');
  }
  await service?.close();
  await rm(folder, { recursive: true, force: true });
});

async function findPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { readonly port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function ask(query: string, changed: Partial<ProviderQuery> = {}, timeoutSeconds = 5) {
  const client = createOutboundClients().configured;
  const provider = createPrometheusProvider(
    client,
    accessOf({ kind: 'prometheus', url, timeoutSeconds }),
  );
  return provider.query(
    {
      query,
      pointer: null,
      side: 'canary',
      targets: ['web-1'],
      from,
      to: from + HISTORY_MS,
      stepSeconds: 1,
      maxPoints: 100,
      ...changed,
    },
    REACH,
  );
}

const RATE = 'sum(rate(hello_requests_total{target=~"{{targets}}"}[{{interval}}]))';

test('a rate over a counter that was reset stays a rate, of the named targets alone', async () => {
  const points = await ask(RATE.replace('{{interval}}', '2s'));
  expect(points.map(([at]) => at)).toEqual([1, 2, 3, 4, 5, 6]);
  const values = points.flatMap(([, value]) => (value === null ? [] : [value]));
  expect(values.length).toBeGreaterThanOrEqual(4);
  // 44 a second; a reset seen as a fall would be far below, one of web-10 far above.
  for (const value of values) expect(value).toBeGreaterThan(5);
  for (const value of values) expect(value).toBeLessThan(90);
  expect(await ask(RATE.replace('{{interval}}', '2s'))).toEqual(points);
});

test('what has no series, or is no number, is null at each time', async () => {
  const none = [1, 2, 3, 4, 5, 6].map((at) => [at, null]);
  expect(await ask(RATE, { targets: ['nobody'] })).toEqual(none);
  expect(await ask('hello_ratio{target=~"{{targets}}"}')).toEqual(none);
});

test('several series are refused: nobody knows how to join them', async () => {
  await expect(ask('rate(hello_requests_total{target=~"{{targets}}"}[2s])')).rejects.toMatchObject({
    code: 'analysis-series-many',
    message: expect.stringMatching(/2 series: aggregate/),
  });
});

test('a query that is wrong is told in its own words, and too many points before it is asked', async () => {
  await expect(ask('sum(rate(')).rejects.toMatchObject({
    code: 'analysis-query-refused',
    message: expect.stringMatching(/parse error/),
  });
  await expect(ask(RATE, { maxPoints: 5 })).rejects.toMatchObject({ code: 'analysis-points-many' });
});

test('one that hangs, and one that is gone, is down', async () => {
  prometheus.kill('SIGSTOP');
  await expect(ask(RATE, {}, 1)).rejects.toMatchObject({
    code: 'analysis-provider-down',
    message: expect.stringMatching(/within 1 s/),
  });
  prometheus.kill('SIGKILL');
  await once(prometheus, 'exit');
  await expect(ask(RATE)).rejects.toMatchObject({
    code: 'analysis-provider-down',
    message: expect.stringMatching(/ECONNREFUSED|ECONNRESET/),
  });
});
