import { setTimeout as sleep } from 'node:timers/promises';
import type { ConformanceCheck } from './conformance-checks.ts';
import {
  askThrough,
  assertShare,
  HttpLoad,
  KEPT_CONNECTIONS,
  type LoadResult,
} from './http-load.ts';
import {
  assertConfirmed,
  type ConformanceRoom,
  deepStrictEqual,
  ok,
  strictEqual,
} from './router-conformance.ts';

const COUNTED = 1500;

/** What requests come to. */
export const TRAFFIC_CHECKS: readonly ConformanceCheck[] = [
  {
    name: 'takes the place of what stood there, and each server has its share of the requests',
    async run(room) {
      deepStrictEqual((await askThrough(room.bench.port)).server, 'base');
      const router = room.router();
      for (const share of [100, 400]) {
        const outcome = await router.apply(room.table(share));
        assertConfirmed(outcome);
        ok(Math.abs(outcome.effectivePermille - share) < 0.01);
        await sleep(room.bench.settleMs ?? 0);
        const { byServer, lost } = await new HttpLoad(room.bench.port).count(COUNTED);
        deepStrictEqual(lost, {});
        const of = (name: string) => byServer[name] ?? 0;
        strictEqual(of('base'), 0);
        const canary = of('web-3') + of('web-4');
        assertShare('the canary pool', canary, COUNTED, share / 1000);
        assertShare('web-3 of the canary pool', of('web-3'), canary, 0.5);
        assertShare('web-1 of the stable pool', of('web-1'), COUNTED - canary, 0.5);
      }
      const seen = await router.read();
      strictEqual(seen.up, true);
      deepStrictEqual(seen.table, room.table(400));
      strictEqual(seen.foreign, false);
    },
  },
  {
    name: 'sends requests that fit a header or a cookie to the canary pool, whatever the share',
    async run(room) {
      const match = [
        { header: { name: 'x-beta', value: 'a.b' } },
        { cookie: { name: 'beta', value: 'yes' } },
      ];
      assertConfirmed(await room.router().apply(room.table(0, { match })));
      await sleep(room.bench.settleMs ?? 0);
      for (const headers of [
        { 'x-beta': 'a.b' },
        { 'X-Beta': 'a.b' },
        { cookie: 'beta=yes' },
        { cookie: 'other=1; beta=yes' },
      ]) {
        strictEqual(await poolOf(room, headers), 'canary', JSON.stringify(headers));
      }
      for (const headers of [
        {},
        { 'x-beta': 'acb' },
        { 'x-beta': 'A.B' },
        { 'x-beta': 'a.b.c' },
        { cookie: 'beta=yes1' },
        { cookie: 'alphabeta=yes' },
        { cookie: 'other=beta=yes' },
      ]) {
        strictEqual(
          await poolOf(room, headers as Record<string, string>),
          'stable',
          JSON.stringify(headers),
        );
      }
    },
  },
  {
    name: 'keeps a visitor by its cookie, and moves visitors one way only as the share grows',
    async run(room) {
      const router = room.router();
      const sticky = { cookie: 'visit' };
      assertConfirmed(await router.apply(room.table(300, { sticky })));
      await sleep(room.bench.settleMs ?? 0);
      const visitors: { cookie: string; pool: string }[] = [];
      for (let index = 0; index < 150; index += 1) {
        const { server, setCookie } = await askThrough(room.bench.port);
        const [cookie = ''] = setCookie.split(';');
        ok(cookie.startsWith('visit='), `no cookie was set: "${setCookie}"`);
        visitors.push({ cookie, pool: poolOfServer(server) });
      }
      const before = visitors.filter(({ pool }) => pool === 'canary').length;
      assertShare('visitors of the canary pool', before, visitors.length, 0.3);
      for (const { cookie, pool } of visitors) strictEqual(await poolOf(room, { cookie }), pool);
      if (!room.bench.movesVisitors) return;
      assertConfirmed(await router.apply(room.table(700, { sticky })));
      await sleep(room.bench.settleMs ?? 0);
      let now = 0;
      for (const { cookie, pool } of visitors) {
        const is = await poolOf(room, { cookie });
        if (pool === 'canary') strictEqual(is, 'canary');
        if (is === 'canary') now += 1;
      }
      assertShare('visitors of the canary pool', now, visitors.length, 0.7);
      const { setCookie } = await askThrough(room.bench.port, {
        headers: { cookie: visitors[0]?.cookie ?? '' },
      });
      strictEqual(setCookie, '');
    },
  },
  {
    name: 'switches from one pool to the other under load without a lost request, and drains',
    async run(room) {
      const router = room.router();
      assertConfirmed(await router.apply(room.table(0)));
      await sleep(room.bench.settleMs ?? 0);
      const slow = askThrough(room.bench.port, { path: '/slow?ms=1200' });
      await sleep(100);
      const started = Date.now();
      let drained: boolean | null = null;
      const load = await new HttpLoad(room.bench.port).during(async () => {
        const outcome = await router.apply(room.table(1000));
        assertConfirmed(outcome);
        drained = outcome.drained;
      });
      assertNothingLost(room, load, 1);
      const { status, server } = await slow;
      deepStrictEqual([status, poolOfServer(server)], [200, 'stable']);
      ok(drained !== false);
      // What tells that it is drained must not have told so before the slow request was answered.
      if (drained === true) ok(Date.now() - started > 900, 'drained too early');
      await sleep(room.bench.settleMs ?? 0);
      const after = await new HttpLoad(room.bench.port).count(200);
      deepStrictEqual(Object.keys(after.byServer).sort(), ['web-3', 'web-4']);
    },
  },
  {
    name: 'loses no request in many changes under load, of shares and of pools',
    async run(room) {
      const router = room.router();
      assertConfirmed(await router.apply(room.table(0)));
      const of = room.servers.of.bind(room.servers);
      const changes = [
        room.table(10),
        room.table(250),
        room.table(250, { pools: { stable: of('web-1'), canary: of('web-2', 'web-3', 'web-4') } }),
        room.table(1000),
        room.table(500, { match: [{ cookie: { name: 'beta', value: 'yes' } }] }),
        room.table(0),
        room.table(0, { pools: { stable: of('web-1', 'web-2', 'web-3', 'web-4'), canary: [] } }),
      ];
      const load = await new HttpLoad(room.bench.port).during(async () => {
        for (const change of changes) assertConfirmed(await router.apply(change));
      });
      assertNothingLost(room, load, changes.length);
    },
  },
];

/**
 * Nothing may be lost. A change may close each kept connection while it is idle, and a client that sends just then sends
 * again: so often at most as there are connections and changes.
 */
function assertNothingLost(room: ConformanceRoom, load: LoadResult, changes: number): void {
  if (room.bench.dropsRequests === true) {
    const lost = Object.values(load.lost).reduce((sum, count) => sum + count, 0);
    ok(lost <= 2 + 2 * changes, `${lost} of ${load.requests} requests were lost`);
    deepStrictEqual(
      Object.keys(load.lost).filter((why) => why !== 'ECONNRESET'),
      [],
    );
  } else {
    deepStrictEqual(load.lost, {}, `of ${load.requests} requests`);
  }
  ok(load.requests > 50, `only ${load.requests} requests`);
  ok(load.resent <= KEPT_CONNECTIONS * changes, `${load.resent} were sent again`);
}

async function poolOf(
  room: ConformanceRoom,
  headers: Readonly<Record<string, string>>,
): Promise<string> {
  const { status, server } = await askThrough(room.bench.port, { headers });
  strictEqual(status, 200);
  return poolOfServer(server);
}

function poolOfServer(server: string): string {
  return server === 'web-3' || server === 'web-4' ? 'canary' : 'stable';
}
