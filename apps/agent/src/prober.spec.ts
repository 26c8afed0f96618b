import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import { AgentProtocolError, type ProbeSample } from '@sluice/agent-protocol';
import { createLogger } from '@sluice/observability';
import { readAgentSettings } from './agent-settings.ts';
import { runProber } from './prober.ts';

const RELEASE = `sha256:${'1'.repeat(64)}`;
const log = createLogger({ service: 'test', level: 'silent' });
const stop = new AbortController();
let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function serve(statusOf: (count: number) => number): Promise<number> {
  let count = 0;
  server = createServer((_request, response) => {
    count += 1;
    response.writeHead(statusOf(count)).end('x'.repeat(100));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server?.once('listening', resolve));
  return (server.address() as AddressInfo).port;
}

async function probe(
  port: number,
  seconds: number,
  findActive: () => Promise<string | null> = async () => RELEASE,
  accept: (samples: readonly ProbeSample[]) => void = () => undefined,
): Promise<readonly ProbeSample[]> {
  const sent: ProbeSample[] = [];
  const ended = new AbortController();
  const running = runProber(
    {
      settings: { port, path: '/', everyMs: 20 },
      client: {
        sendProbes: async (samples) => {
          accept(samples);
          sent.push(...samples);
        },
      },
      findActive,
      log,
      intervalSeconds: 1,
    },
    AbortSignal.any([ended.signal, stop.signal]),
  );
  await sleep(seconds * 1000 + 1100);
  ended.abort();
  await running;
  return sent;
}

test('requests are counted by interval, with errors and percentiles', async () => {
  const port = await serve((count) => (count % 4 === 0 ? 500 : 200));
  const [sample] = await probe(port, 1);
  expect(sample).toMatchObject({ seconds: 1, activeRelease: RELEASE });
  expect(Date.parse(sample?.sampledAt ?? '') % 1000).toBe(0);
  expect(sample?.requests).toBeGreaterThan(10);
  expect(sample?.requests).toBeLessThanOrEqual(51);
  expect((sample?.errors ?? 0) / (sample?.requests ?? 1)).toBeCloseTo(0.25, 1);
  expect(sample?.p99Ms).toBeGreaterThanOrEqual(sample?.p50Ms ?? Number.NaN);
});

test('a service that is away is errors without latencies', async () => {
  const port = await serve(() => 200);
  await new Promise((resolve) => server?.close(resolve));
  const [sample] = await probe(port, 1);
  expect(sample?.requests).toBeGreaterThan(10);
  expect(sample).toMatchObject({ errors: sample?.requests, p50Ms: null, p99Ms: null });
});

test('nothing is asked without a release; an interval that two releases share is nobody’s', async () => {
  const port = await serve(() => 200);
  expect(await probe(port, 1, async () => null)).toEqual([]);
  let asked = 0;
  const changing = async () => {
    asked += 1;
    return asked === 1 ? RELEASE : `sha256:${'2'.repeat(64)}`;
  };
  const samples = await probe(port, 2, changing);
  expect(samples.map(({ activeRelease }) => activeRelease)).not.toContain(RELEASE);
});

test('samples wait for a control plane that is away, and are dropped when it refuses them', async () => {
  const port = await serve(() => 200);
  let times = 0;
  const waiting = await probe(port, 2, undefined, () => {
    times += 1;
    if (times === 1) throw new AgentProtocolError('control-plane-unreachable', 'away');
  });
  expect(waiting.length).toBeGreaterThanOrEqual(2);
  const refusing = await probe(port, 1, undefined, () => {
    throw new AgentProtocolError('control-plane-refused', 'no', { refusalCode: 'x', status: 400 });
  });
  expect(refusing).toEqual([]);
});

const base = { SLUICE_AGENT_CONTROL_PLANE: 'http://127.0.0.1:1', SLUICE_AGENT_STATE_DIR: '/state' };

test('settings of probes are read', () => {
  const read = readAgentSettings({
    ...base,
    SLUICE_AGENT_PROBE_PATH: '/shop?x=1',
    SLUICE_AGENT_PROBE_PORT: '8080',
  });
  expect(read.ok && read.settings.probe).toEqual({ path: '/shop?x=1', port: 8080, everyMs: 100 });
  expect(readAgentSettings(base)).toMatchObject({ ok: true });
});

test.each([
  [{ SLUICE_AGENT_PROBE_PATH: '/' }, 'SLUICE_AGENT_PROBE_PORT is not set'],
  [{ SLUICE_AGENT_PROBE_PORT: '80' }, 'SLUICE_AGENT_PROBE_PATH is not set'],
  [{ SLUICE_AGENT_PROBE_PATH: 'x', SLUICE_AGENT_PROBE_PORT: '80' }, 'begins with /'],
  [{ SLUICE_AGENT_PROBE_PATH: '/', SLUICE_AGENT_PROBE_PORT: '0' }, 'from 1 to 65535'],
  [
    {
      SLUICE_AGENT_PROBE_PATH: '/',
      SLUICE_AGENT_PROBE_PORT: '80',
      SLUICE_AGENT_PROBE_EVERY_MS: '5',
    },
    'from 20 to 60000',
  ],
])('wrong settings of probes are told: %o', (env, problem) => {
  const read = readAgentSettings({ ...base, ...env });
  expect(read.ok ? [] : read.problems).toContainEqual(expect.stringContaining(problem));
});
