import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { composeRouteTable, type RoutePayload } from '@sluice/domain';
import { getTool } from '@sluice/infra';
import { digestOf } from '@sluice/pure';
import { askThrough, BENCH_BACKEND, HaproxyBench, SampleServers } from '@sluice/router/testing';
import { ProcessBench } from './process-bench.ts';
import { routePayloadOf } from './running-agent.ts';

/** The built agent as a process of its own, told by signed commands, and a real HAProxy that it tells. */
let servers: SampleServers;
let proxy: HaproxyBench;
let bench: ProcessBench;
/** What is in force by what was reported. */
let inForce: string | null = null;

const REQUESTS = 300;

beforeAll(async () => {
  const binary = (await getTool('haproxy')).path;
  servers = await SampleServers.start(['base', 'old-1', 'old-2', 'new-1']);
  const [base] = servers.of('base');
  if (base === undefined) throw new Error('There is no base server.');
  proxy = await HaproxyBench.make(binary, base);
  bench = await ProcessBench.make(1, routerEnv(proxy));
  await bench.start();
}, 30 * 60_000);

afterAll(async () => {
  await bench.remove();
  await proxy.close();
  await servers.close();
});

function routerEnv({ settings }: HaproxyBench): Record<string, string> {
  const { file, configFiles, socket, masterSocket, reload, binary, serverOptions } = settings;
  return {
    SLUICE_AGENT_ROUTER: 'haproxy',
    SLUICE_AGENT_ROUTER_BACKEND: BENCH_BACKEND,
    SLUICE_AGENT_ROUTER_FILE: file,
    SLUICE_AGENT_ROUTER_CONFIG_FILES: configFiles.join(':'),
    SLUICE_AGENT_ROUTER_SOCKET: socket,
    SLUICE_AGENT_ROUTER_MASTER_SOCKET: masterSocket ?? '',
    SLUICE_AGENT_ROUTER_PID_FILE: 'pidFile' in reload ? reload.pidFile : '',
    SLUICE_AGENT_ROUTER_BINARY: binary ?? '',
    SLUICE_AGENT_ROUTER_SERVER_OPTIONS: serverOptions ?? '',
  };
}

function payloadOf(canaryPermille: number, changes: Partial<RoutePayload> = {}): RoutePayload {
  const stable = servers.of('old-1', 'old-2');
  const canary = servers.of('new-1');
  return routePayloadOf(canaryPermille, {
    table: composeRouteTable({
      backend: BENCH_BACKEND,
      pools: { stable, canary },
      canaryPermille,
      match: [],
    }),
    ...changes,
  });
}

/** Share of the requests that the new version answers; every request must have a good answer. */
async function shareOf(name: string): Promise<number> {
  let count = 0;
  for (let sent = 0; sent < REQUESTS; sent += 1) {
    const answer = await askThrough(proxy.port);
    expect(answer.status).toBe(200);
    if (answer.server === name) count += 1;
  }
  return count / REQUESTS;
}

async function settle(payload: RoutePayload) {
  const { sequence } = bench.plane.dispatch(payload);
  const report = await bench.plane.finalReport(sequence, 40_000);
  if (report.stage === 'confirmed') inForce = digestOf(payload.table);
  return report;
}

test('signed commands change the weights, as counted', async () => {
  expect(await shareOf('base')).toBe(1);
  expect(await settle(payloadOf(200, { expects: null }))).toMatchObject({ stage: 'confirmed' });
  const first = await shareOf('new-1');
  expect(first).toBeGreaterThan(0.1);
  expect(first).toBeLessThan(0.3);
  expect(await settle(payloadOf(1000, { expects: inForce }))).toMatchObject({ stage: 'confirmed' });
  expect(await shareOf('new-1')).toBe(1);
  expect(await settle(payloadOf(0))).toMatchObject({ stage: 'confirmed' });
  expect(await shareOf('new-1')).toBe(0);
}, 120_000);

for (const [index, stage] of ['accepted', 'activating', 'activated', 'confirmed'].entries()) {
  test(`killed with -9 at "${stage}" it comes to one end, and the proxy has the table`, async () => {
    const payload = payloadOf(index % 2 === 0 ? 1000 : 0, { expects: inForce });
    let sequence = 0;
    await bench.killAt(stage, () => {
      ({ sequence } = bench.plane.dispatch(payload));
    });
    await bench.start();
    const report = await bench.plane.finalReport(sequence, 40_000);
    expect(report).toMatchObject({ stage: 'confirmed', failure: null });
    inForce = digestOf(payload.table);
    expect(await shareOf('new-1')).toBe(index % 2 === 0 ? 1 : 0);
    const stages = await bench.stagesInJournal(sequence);
    expect(stages).toEqual(['accepted', 'activating', 'activated', 'confirmed']);
    expect(bench.plane.stagesOf(sequence)).toEqual(['accepted', 'activated', 'confirmed']);
  }, 120_000);
}

test('a proxy that was killed has the table again, and what was edited by hand is left alone', async () => {
  expect(await settle(payloadOf(1000, { expects: inForce }))).toMatchObject({ stage: 'confirmed' });
  await proxy.kill();
  const expiresAt = new Date(Date.now() + 1500).toISOString();
  const { sequence } = bench.plane.dispatch(payloadOf(0, { expects: inForce }), { expiresAt });
  expect((await bench.plane.finalReport(sequence, 40_000)).failure?.code).toBe('router-down');
  await proxy.start();
  expect(await shareOf('new-1')).toBe(1);
  await proxy.editByHand();
  expect((await settle(payloadOf(0, { expects: inForce }))).failure?.code).toBe('route-foreign');
  await proxy.undoEdit();
  expect(await settle(payloadOf(0, { expects: inForce }))).toMatchObject({ stage: 'confirmed' });
  expect(await shareOf('new-1')).toBe(0);
}, 120_000);
