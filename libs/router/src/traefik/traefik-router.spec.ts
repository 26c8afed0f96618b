import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { composeRouteTable, type RouteTable } from '@sluice/domain';
import { createRouter } from '../create-router.ts';
import type { Router } from '../router.ts';
import { askThrough, assertShare, HttpLoad } from '../testing/http-load.ts';
import { SampleServers } from '../testing/sample-servers.ts';
import { TraefikBench } from '../testing/traefik-bench.ts';
import { markOfRawData, renderTraefik } from './traefik-document.ts';

let servers: SampleServers;
let bench: TraefikBench;
let router: Router;
let stateFolder: string;

beforeAll(async () => {
  servers = await SampleServers.start(['web-1', 'web-2', 'web-3']);
  bench = await TraefikBench.make();
  stateFolder = await mkdtemp(join(tmpdir(), 'sluice-traefik-'));
  router = openRouter();
});

afterAll(async () => {
  await router.close();
  await bench.stop();
  await servers.close();
  await rm(stateFolder, { recursive: true, force: true });
});

function openRouter(): Router {
  return createRouter(
    { kind: 'traefik', ...bench.settings },
    { stateFolder, serveTimeoutMs: 2000, drainTimeoutMs: 100 },
  );
}

function tableOf(canaryPermille: number, parts: Partial<RouteTable> = {}): RouteTable {
  return composeRouteTable({
    backend: 'shop',
    pools: { stable: servers.of('web-1', 'web-2'), canary: servers.of('web-3') },
    canaryPermille,
    match: [],
    ...parts,
  });
}

test('the document has the form of the dynamic configuration', () => {
  const table = composeRouteTable({
    backend: 'shop',
    pools: {
      stable: [{ name: 'web-1', address: '10.0.0.1', port: 80 }],
      canary: [{ name: 'web-2', address: 'fd00::2', port: 80 }],
    },
    canaryPermille: 250,
    match: [
      { header: { name: 'x-beta', value: 'yes' } },
      { cookie: { name: 'beta', value: '1.0' } },
    ],
    sticky: { cookie: 'visit' },
  });
  const rule = 'Host(`shop.example.org`)';
  expect(JSON.parse(renderTraefik(table, { rule, entryPoints: ['web'] }))).toEqual({
    http: {
      routers: {
        shop: { entryPoints: ['web'], rule, service: 'shop' },
        'shop-match': {
          entryPoints: ['web'],
          rule: `(${rule}) && (Header(\`x-beta\`, \`yes\`) || HeaderRegexp(\`Cookie\`, \`(?:^|;\\s*)beta=1[.]0(?:;|$)\`))`,
          service: 'shop-canary',
        },
      },
      services: {
        shop: {
          weighted: {
            services: [
              { name: 'shop-stable', weight: 750 },
              { name: 'shop-canary', weight: 250 },
            ],
            sticky: { cookie: { name: 'visit', httpOnly: true, sameSite: 'lax' } },
          },
        },
        'shop-stable': { loadBalancer: { servers: [{ url: 'http://10.0.0.1:80' }] } },
        'shop-canary': { loadBalancer: { servers: [{ url: 'http://[fd00::2]:80' }] } },
      },
    },
  });
});

test('a router that Traefik reports in error is not what was wanted', () => {
  const services = {
    'shop@http': { weighted: { services: [{ name: 'shop-stable', weight: 1000 }] } },
  };
  const routers = { 'shop@http': { rule: 'r', service: 'shop', status: 'enabled' } };
  const well = markOfRawData({ routers, services }, 'shop');
  const ill = { 'shop@http': { ...routers['shop@http'], status: 'disabled' } };
  expect(markOfRawData({ routers: ill, services }, 'shop')).not.toBe(well);
  expect(markOfRawData({ routers: {}, services: {} }, 'shop')).toBeNull();
});

test('shares, matches and visitors', async () => {
  expect(await router.apply(tableOf(300))).toMatchObject({
    state: 'confirmed',
    effectivePermille: 300,
    drained: null,
  });
  const { byServer, lost } = await new HttpLoad(bench.port).count(600);
  expect(lost).toEqual({});
  assertShare('the canary pool', byServer['web-3'] ?? 0, 600, 0.3);
  const match = [
    { header: { name: 'x-beta', value: 'a.b' } },
    { cookie: { name: 'b', value: '1' } },
  ];
  await router.apply(tableOf(0, { match }));
  for (const headers of [{ 'x-beta': 'a.b' }, { cookie: 'a=2; b=1' }]) {
    expect((await askThrough(bench.port, { headers })).server).toBe('web-3');
  }
  expect((await askThrough(bench.port, { headers: { cookie: 'bb=1' } })).server).not.toBe('web-3');
  await router.apply(tableOf(500, { sticky: { cookie: 'visit' } }));
  const { setCookie, server } = await askThrough(bench.port);
  const headers = { cookie: setCookie.split(';')[0] ?? '' };
  for (let index = 0; index < 8; index += 1) {
    const again = await askThrough(bench.port, { headers });
    expect(again.server === 'web-3').toBe(server === 'web-3');
  }
});

test('a restarted agent serves what was in force, and a Traefik that restarted comes for it', async () => {
  expect(await router.apply(tableOf(1000))).toMatchObject({ state: 'confirmed' });
  await router.close();
  await bench.stop();
  router = openRouter();
  expect(await router.read()).toMatchObject({ up: false });
  expect(await router.apply(tableOf(0))).toMatchObject({ state: 'refused', code: 'router-down' });
  await bench.start();
  await router.resume();
  expect((await router.read()).effectivePermille).toBe(1000);
  expect((await askThrough(bench.port)).server).toBe('web-3');
});

test('what Traefik does not come to serve is put back', async () => {
  expect(await router.apply(tableOf(0))).toMatchObject({ state: 'confirmed' });
  await bench.stop();
  await bench.start();
  const deaf = createRouter(
    {
      kind: 'traefik',
      ...bench.settings,
      rule: 'Host(`other`)',
      provider: { host: '127.0.0.1', port: 0 },
    },
    { stateFolder: join(stateFolder, 'deaf'), serveTimeoutMs: 200 },
  );
  expect(await deaf.apply(tableOf(1000))).toMatchObject({
    state: 'reverted',
    code: 'route-unserved',
  });
  await deaf.close();
});
