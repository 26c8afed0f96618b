import { appendFile, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { getTool } from '@sluice/infra';
import { findPid, listChildren } from '../reload.ts';
import { HaproxyBench } from '../testing/haproxy-bench.ts';
import { askThrough, HttpLoad } from '../testing/http-load.ts';
import { ConformanceRoom } from '../testing/router-conformance.ts';
import { HaproxyDriver } from './haproxy-driver.ts';
import { askSocket, readOldWorkers } from './haproxy-socket.ts';

let bench: HaproxyBench;
let room: ConformanceRoom;

beforeAll(async () => {
  const { path } = await getTool('haproxy');
  room = await ConformanceRoom.open(async (servers) => {
    const [base] = servers.of('base');
    if (base === undefined) throw new Error('There is no base server.');
    bench = await HaproxyBench.make(path, base);
    return bench;
  });
}, 10 * 60_000);

afterAll(() => room.close());

async function workers(): Promise<readonly number[]> {
  const way = bench.settings.reload;
  const master = 'pidFile' in way ? await findPid(way.pidFile) : undefined;
  return listChildren(master ?? 0);
}

const signal = () => AbortSignal.timeout(5000);

test('a change of the share alone is no reload, and a restart has it', async () => {
  const router = room.router();
  await router.apply(room.table(0));
  const before = await workers();
  for (const share of [5, 300, 1000, 0, 1000]) {
    expect(await router.apply(room.table(share))).toMatchObject({
      state: 'confirmed',
      effectivePermille: share,
      drained: true,
    });
  }
  expect(await workers()).toEqual(before);
  await bench.kill();
  await bench.start();
  expect((await router.read()).effectivePermille).toBe(1000);
  const { byServer } = await new HttpLoad(bench.port).count(40, 4);
  expect(Object.keys(byServer).sort()).toEqual(['web-3', 'web-4']);
});

test('requests are counted by server, failures too', async () => {
  const router = room.router();
  await router.apply(room.table(1000));
  await router.counts?.();
  await new HttpLoad(bench.port).count(60, 4);
  await askThrough(bench.port, { path: '/fails' });
  const counts = (await router.counts?.()) ?? [];
  const canary = counts.filter(({ server }) => server === 'web-3' || server === 'web-4');
  expect(canary.reduce((sum, { requests }) => sum + requests, 0)).toBe(61);
  expect(canary.reduce((sum, { errors }) => sum + errors, 0)).toBe(1);
  expect((await router.counts?.())?.every(({ requests }) => requests === 0)).toBe(true);
});

test('a weight that someone set in the running proxy is an edit by hand', async () => {
  const router = room.router();
  await router.apply(room.table(0));
  await askSocket(bench.settings.socket, 'set weight shop/web-1 7', signal());
  expect(await router.apply(room.table(500))).toMatchObject({
    state: 'refused',
    code: 'route-foreign',
    message: expect.stringContaining('the server web-1 has the weight 7, not 1'),
  });
  await askSocket(bench.settings.socket, 'set weight shop/web-1 1', signal());
  expect(await router.apply(room.table(500))).toMatchObject({ state: 'confirmed' });
});

test('an open request is waited for across a reload, and a silent connection is not', async () => {
  const router = room.router();
  await router.apply(room.table(0));
  const slow = askThrough(bench.port, { path: '/slow?ms=700' });
  const started = Date.now();
  const stable = room.servers.of('web-3', 'web-4');
  const change = room.table(0, { pools: { stable, canary: [] } });
  expect(await router.apply(change)).toMatchObject({ state: 'confirmed', drained: true });
  expect(Date.now() - started).toBeGreaterThan(400);
  expect((await slow).status).toBe(200);
});

test('a reload that can not be made leaves what was there', async () => {
  await room.router().apply(room.table(0));
  const settings = { ...bench.settings, reload: { command: ['false'] } } as const;
  const router = room.router(() => new HaproxyDriver(settings));
  const stable = room.servers.of('web-4');
  const outcome = await router.apply(room.table(0, { pools: { stable, canary: [] } }));
  expect(outcome).toMatchObject({
    state: 'reverted',
    code: 'route-unserved',
    message: expect.stringMatching(/"false" failed.*What was in force before is again/),
  });
  const { byServer } = await new HttpLoad(bench.port).count(20, 4);
  expect(Object.keys(byServer).sort()).toEqual(['web-1', 'web-2']);
});

test('the rest of the configuration, when it is broken by hand, is told in its own words', async () => {
  const [main = ''] = bench.settings.configFiles;
  const before = await readFile(bench.settings.file, 'utf8');
  await appendFile(main, 'backend broken\n    no-such-word\n');
  expect(await room.router().apply(room.table(10))).toMatchObject({
    state: 'refused',
    code: 'route-invalid',
    message: expect.stringMatching(/no-such-word/),
  });
  expect(await readFile(bench.settings.file, 'utf8')).toBe(before);
});

test('the workers from before a reload are read from what the master tells', () => {
  const told = `#<PID>          <type>          <reloads>       <uptime>        <version>
1162            master          5               0d00h02m07s     2.6.12
# workers
1271            worker          0               0d00h00m00s     2.6.12
# old workers
1233            worker          3               0d00h00m43s     2.6.12
1240            worker          1               0d00h00m03s     2.6.12
# programs
1300            worker          0               0d00h00m00s     2.6.12
`;
  expect(readOldWorkers(told)).toEqual([1233, 1240]);
  expect(readOldWorkers('')).toEqual([]);
});
