import { setTimeout as sleep } from 'node:timers/promises';
import { composeRouteTable, findRouteTableProblem, MAX_ROUTE_SERVERS } from '@sluice/domain';
import { digestOf } from '@sluice/pure';
import type { ConformanceCheck } from './conformance-checks.ts';
import { HttpLoad } from './http-load.ts';
import { BENCH_BACKEND } from './proxy-bench.ts';
import {
  assertConfirmed,
  assertFailed,
  type ConformanceRoom,
  deepStrictEqual,
  ok,
  strictEqual,
  withDriver,
} from './router-conformance.ts';

/** What goes wrong. */
export const FAULT_CHECKS: readonly ConformanceCheck[] = [
  {
    name: 'changes nothing for the table that is in force',
    async run(room) {
      const router = room.router();
      const puts: string[] = [];
      assertConfirmed(await router.apply(room.table(200)));
      const watched = room.router((driver) =>
        withDriver(driver, {
          put: async (...args) => {
            puts.push('put');
            await driver.put(...args);
          },
        }),
      );
      const again = await watched.apply(room.table(200));
      assertConfirmed(again);
      deepStrictEqual([again.changed, puts], [false, []]);
    },
  },
  {
    name: 'puts the table before back, and before the first what stood there',
    async run(room) {
      const router = room.router();
      assertFailed(await router.restore(), 'refused', 'route-without-previous');
      assertConfirmed(await router.apply(room.table(1000)));
      const first = await router.restore();
      assertConfirmed(first);
      strictEqual(first.digest, null);
      await assertServers(room, ['base']);
      assertFailed(await router.restore(), 'refused', 'route-without-previous');
      assertConfirmed(await router.apply(room.table(0)));
      assertConfirmed(await router.apply(room.table(1000)));
      assertConfirmed(await router.restore());
      await assertServers(room, ['web-1', 'web-2']);
    },
  },
  {
    name: 'refuses what the proxy does not take, and a table that is none',
    async run(room) {
      assertConfirmed(await room.router().apply(room.table(0)));
      const spoiled = room.router((driver) =>
        withDriver(driver, { render: (table) => room.bench.spoil(driver.render(table)) }),
      );
      const message = assertFailed(
        await spoiled.apply(room.table(1000)),
        'refused',
        'route-invalid',
      );
      ok(message.includes('no'), message);
      const broken = { ...room.table(1000), canaryPermille: 1001 };
      assertFailed(await room.router().apply(broken), 'refused', 'route-invalid');
      const other = composeRouteTable({ ...room.table(1000), backend: 'other' });
      assertFailed(await room.router().apply(other), 'refused', 'route-invalid');
      await assertServers(room, ['web-1', 'web-2']);
      assertConfirmed(await room.router().apply(room.table(1000)));
    },
  },
  {
    name: 'refuses while it is edited by hand, and goes on when that is undone',
    async run(room) {
      const router = room.router();
      assertConfirmed(await router.apply(room.table(0)));
      await room.bench.editByHand();
      assertFailed(await router.apply(room.table(1000)), 'refused', 'route-foreign');
      const seen = await router.read();
      deepStrictEqual([seen.up, seen.foreign], [true, true]);
      ok(seen.note?.includes('by hand'));
      await assertRejects(router.resume(), 'route-foreign');
      await assertServers(room, ['web-1', 'web-2']);
      await room.bench.undoEdit();
      assertConfirmed(await router.apply(room.table(1000)));
      await assertServers(room, ['web-3', 'web-4']);
    },
  },
  {
    name: 'has the old table in force again when a change is not served in time',
    async run(room) {
      assertConfirmed(await room.router().apply(room.table(0)));
      let isFirst = true;
      const deaf = room.router(
        (driver) =>
          withDriver(driver, {
            readServed: async (...args) => {
              const served = await driver.readServed(...args);
              const [expected] = args;
              // As a proxy that was told and did not listen.
              if (expected?.canaryPermille === 1000 && isFirst) return { up: true, mark: 'other' };
              return served;
            },
            put: async (next, ...args) => {
              if (next.table?.canaryPermille !== 1000) isFirst = false;
              await driver.put(next, ...args);
            },
          }),
        400,
      );
      assertFailed(await deaf.apply(room.table(1000)), 'reverted', 'route-unserved');
      await assertServers(room, ['web-1', 'web-2']);
      strictEqual((await room.router().read()).effectivePermille, 0);
    },
  },
  {
    name: 'refuses while the proxy is down, and has the table in force after it was killed and restarted',
    async run(room) {
      const router = room.router();
      assertConfirmed(await router.apply(room.table(1000)));
      await room.bench.kill();
      assertFailed(await router.apply(room.table(0)), 'refused', 'router-down');
      const seen = await router.read();
      deepStrictEqual([seen.up, seen.digest], [false, null]);
      strictEqual(seen.held, digestOf(room.table(1000)));
      await assertRejects(router.resume(), 'router-down');
      await room.bench.start();
      await resumeUntilUp(room);
      await assertServers(room, ['web-3', 'web-4']);
      strictEqual(await room.router().resume(), false);
      const { lost } = await new HttpLoad(room.bench.port).count(50);
      deepStrictEqual(lost, {});
    },
  },
  {
    name: 'comes back to the old table when the proxy is killed in the change',
    async run(room) {
      assertConfirmed(await room.router().apply(room.table(0)));
      const unlucky = room.router(
        (driver) =>
          withDriver(driver, {
            put: async (...args) => {
              await driver.put(...args);
              await room.bench.kill();
            },
          }),
        300,
      );
      assertFailed(await unlucky.apply(room.table(1000)), 'reverted', 'router-down');
      await room.bench.start();
      await resumeUntilUp(room);
      await assertServers(room, ['web-1', 'web-2']);
      assertConfirmed(await room.router().apply(room.table(1000)));
    },
  },
  {
    name: 'comes back to the old table when the agent is killed in the change, and takes the change again',
    async run(room) {
      assertConfirmed(await room.router().apply(room.table(0)));
      let isPut = () => {};
      const wasPut = new Promise<void>((resolve) => {
        isPut = resolve;
      });
      const killed = room.router((driver) =>
        withDriver(driver, {
          put: async (...args) => {
            await driver.put(...args);
            isPut();
            await new Promise(() => {});
          },
          close: async () => {},
        }),
      );
      void killed.apply(room.table(1000));
      await wasPut;
      room.forget(killed);
      const after = room.router();
      strictEqual(await after.resume(), true);
      await assertServers(room, ['web-1', 'web-2']);
      assertConfirmed(await after.apply(room.table(1000)));
      await assertServers(room, ['web-3', 'web-4']);
    },
  },
  {
    name: 'begins anew where its state was lost: what stands there counts as not its own',
    async run(room) {
      assertConfirmed(await room.router().apply(room.table(0)));
      await room.loseState();
      const router = room.router();
      strictEqual(await router.resume(), false);
      assertConfirmed(await router.apply(room.table(1000)));
      await assertServers(room, ['web-3', 'web-4']);
      assertConfirmed(await router.restore());
      await assertServers(room, ['web-1', 'web-2']);
    },
  },
  {
    name: 'takes a thousand servers, and no more',
    async run(room) {
      const stable = [...Array(MAX_ROUTE_SERVERS - 1).keys()].map((index) => ({
        name: `far-${String(index).padStart(4, '0')}`,
        address: '127.0.0.1',
        port: 1 + index,
      }));
      const table = composeRouteTable({
        backend: BENCH_BACKEND,
        pools: { stable, canary: room.servers.of('web-3') },
        canaryPermille: 1000,
        match: [],
      });
      strictEqual(findRouteTableProblem(table), undefined);
      assertConfirmed(await room.router().apply(table));
      await assertServers(room, ['web-3']);
      const more = {
        ...table,
        pools: { ...table.pools, canary: room.servers.of('web-3', 'web-4') },
      };
      assertFailed(await room.router().apply(more), 'refused', 'route-invalid');
    },
  },
];

/** The proxies that keep no table of their own are told by `resume`; the others have it. */
async function resumeUntilUp(room: ConformanceRoom): Promise<void> {
  const router = room.router();
  for (let tries = 0; ; tries += 1) {
    try {
      await router.resume();
      return;
    } catch (error) {
      if (tries > 50) throw error;
      await sleep(100);
    }
  }
}

async function assertServers(room: ConformanceRoom, expected: readonly string[]): Promise<void> {
  await sleep(room.bench.settleMs ?? 0);
  const { byServer, lost } = await new HttpLoad(room.bench.port).count(100, 4);
  deepStrictEqual([Object.keys(byServer).sort(), lost], [expected, {}]);
}

async function assertRejects(promise: Promise<unknown>, code: string): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason as { code?: unknown },
  );
  strictEqual(error?.code, code);
}
