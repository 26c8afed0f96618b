import { afterEach, expect, test } from '@jest/globals';
import {
  FAKE_TOKEN,
  type FakeGraphqlServer,
  startFakeGraphqlServer,
} from './fake-graphql-server.ts';
import { type FakeIo, fakeIo } from './fake-io.ts';
import { runCli } from './run-cli.ts';
import type { ProgressView } from './watch-operations.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const at = '2026-11-21T12:00:00.000Z';
const STEPS = ['scan', 'gate', 'plan', 'deploy', 'verify'];

let server: FakeGraphqlServer | undefined;
afterEach(() => server?.close());

/** A promotion as the whole schema has it, when `done` of its steps have succeeded. */
function promotionAt(done: number, state = done === STEPS.length ? 'SUCCEEDED' : 'RUNNING') {
  const ended = !['RUNNING', 'WAITING'].includes(state);
  return {
    __typename: 'Promotion',
    id: 'dev/2',
    number: 2,
    kind: 'PROMOTE',
    state,
    reason: state === 'FAILED' ? { code: 'probe-failed', message: 'No answer.' } : null,
    requestedBy: 'manager',
    requestedAt: at,
    startedAt: at,
    endedAt: ended ? '2026-11-21T12:00:12.300Z' : null,
    traceId: null,
    release: { id: digest, name: 'shop', version: '1.2.0' },
    environment: { name: 'dev' },
    parameters: {},
    pipeline: null,
    compensation: null,
    steps: STEPS.map((id, index) => ({
      id,
      type: `${id}@1`,
      state: index < done ? 'SUCCEEDED' : index === done && !ended ? 'RUNNING' : 'PENDING',
      startedAt: index <= done ? at : null,
      endedAt: index < done ? at : null,
      seconds: index < done ? 1.25 : null,
      reason: null,
      needs: [],
    })),
    decision: null,
    deployments: [],
    rollouts: [],
    approval: null,
    approvals: [],
    packet: ended ? { digest } : null,
  };
}

function progressAt(position: number, last: number, state?: string) {
  const done = Math.floor((position / last) * STEPS.length);
  return {
    promotionProgress: {
      position: String(position),
      event: {
        id: `e${position}`,
        type: 'step.state-changed',
        actor: 'workflow:promotion/acme/dev/2',
        subject: 'promotion:dev/2',
        data: { step: STEPS[Math.min(done, STEPS.length - 1)], state: 'running' },
        occurredAt: at,
      },
      promotion: promotionAt(done, position === last ? state : undefined),
    },
  };
}

/** An API that breaks the connection behind each of these positions, once. */
async function startApi(last: number, breaks: number[] = [], state?: string) {
  let seen = 0;
  server = await startFakeGraphqlServer({
    promotion: () =>
      promotionAt(seen === last ? STEPS.length : 0, seen === last ? state : undefined),
    promotionProgress: async function* ({ after }) {
      for (let position = Number(after ?? 0) + 1; position <= last; position += 1) {
        yield progressAt(position, last, state);
        seen = position;
        if (breaks[0] === position) {
          breaks.shift();
          server?.drop();
          return;
        }
      }
    },
  });
  return server;
}

function watcher(api: FakeGraphqlServer, terminal?: { columns: number; rows: number }): FakeIo {
  const env = { SLUICE_API_URL: api.url, SLUICE_TOKEN: FAKE_TOKEN };
  const person = terminal === undefined ? undefined : { terminal };
  const sleep = () => new Promise<void>((resolve) => setTimeout(resolve, 5));
  return { ...fakeIo({}, env, person), fetch: globalThis.fetch, sleep };
}

const lines = (io: FakeIo) => io.outText().trim().split('\n');

test('--json gives one event a line, and the end state is the exit code', async () => {
  const io = watcher(await startApi(12));
  expect(await runCli(['promotion', 'watch', 'dev/2', '--json'], io)).toBe(0);
  const events = lines(io).map((line) => JSON.parse(line) as ProgressView);
  expect(events.map(({ position }) => Number(position))).toEqual(
    [...Array(12).keys()].map((n) => n + 1),
  );
  expect(Object.keys(events[0] ?? {})).toEqual(['position', 'event', 'promotion']);
  expect(events.at(-1)?.promotion.state).toBe('SUCCEEDED');
});

test('a connection that breaks, and breaks again, misses nothing and repeats nothing', async () => {
  const api = await startApi(30, [4, 5, 21]);
  const io = watcher(api);
  expect(await runCli(['promotion', 'watch', 'dev/2', '--json'], io)).toBe(0);
  const positions = lines(io).map((line) => Number(JSON.parse(line).position));
  expect(positions).toEqual([...Array(30).keys()].map((n) => n + 1));
  expect(api.begun.map(({ after }) => after)).toEqual([null, '4', '5', '21']);
  expect(io.errText()).toContain('Connection lost');
});

test('a server that repeats itself is not repeated', async () => {
  server = await startFakeGraphqlServer({
    promotion: () => promotionAt(5),
    promotionProgress: async function* () {
      for (const position of [1, 2, 2, 1, 3]) yield progressAt(position, 3);
    },
  });
  const io = watcher(server);
  expect(await runCli(['promotion', 'watch', 'dev/2', '--json', '--after', '1'], io)).toBe(0);
  expect(lines(io).map((line) => JSON.parse(line).position)).toEqual(['2', '3']);
});

test('piped, each event is a line, and the last says how it ended', async () => {
  const io = watcher(await startApi(5, [], 'FAILED'));
  expect(await runCli(['promotion', 'watch', 'dev/2'], io)).toBe(1);
  expect(lines(io)[0]).toBe('dev/2  shop@1.2.0 to dev');
  expect(lines(io)[1]).toMatch(/^12:00:00 {2}step.state-changed\s+gate running$/);
  expect(lines(io).at(-1)).toBe('dev/2 failed after 12.3 s: probe-failed: No answer.');
  expect(io.outText()).not.toContain('\u001b');
});

test('in a terminal the view is drawn over itself and never larger than it', async () => {
  const io = watcher(await startApi(40, [7]), { columns: 40, rows: 12 });
  expect(await runCli(['promotion', 'watch', 'dev/2'], io)).toBe(0);
  const drawn = io.outText().replace(/\n\ndev\/2 succeeded after.*\n$/, '\n');
  const frames = drawn.split('\u001b[0J').slice(1);
  expect(frames.length).toBeGreaterThan(40);
  for (const frame of frames) {
    const shown = frame
      .replace(/\u001b\[\d*[A-Zm]|\r/g, '')
      .split('\n')
      .slice(0, -1);
    expect(shown.length).toBeLessThan(12);
    for (const line of shown) expect([...line].length).toBeLessThan(40);
  }
  const last = frames.at(-1)?.replace(/\u001b\[\d*m/g, '');
  expect(last).toContain('dev/2  shop@1.2.0 to dev  succeeded');
  expect(last).toMatch(/✓ verify +succeeded +1\.3 s/);
  expect(lines(io).at(-1)).toBe('dev/2 succeeded after 12.3 s');
});

const problem = {
  code: 'NO_WORKER',
  message: 'Nobody has taken its tasks for 45 s.',
  cause: null,
  attempt: 1,
  event: 9,
  activity: null,
  buildId: null,
  since: at,
  wayOut: ['Start a worker, or look why it cannot reach the engine: it goes on by itself.'],
};

/** An API whose promotion is stuck for its second and third event. */
async function startStuckApi() {
  let seen = 0;
  server = await startFakeGraphqlServer({
    promotion: () => promotionAt(seen),
    promotionProgress: async function* () {
      for (const position of [1, 2, 3, 4]) {
        const { promotionProgress } = progressAt(position, 4);
        const isStuck = position === 2 || position === 3;
        const promotion = { ...promotionProgress.promotion, problem: isStuck ? problem : null };
        yield { promotionProgress: { ...promotionProgress, promotion } };
      }
      seen = STEPS.length;
    },
  });
  return server;
}

test('piped, a problem is told once, with its way out', async () => {
  const io = watcher(await startStuckApi());
  expect(await runCli(['promotion', 'watch', 'dev/2'], io)).toBe(0);
  const text = [
    'stuck: no-worker since 2026-11-21 12:00 UTC (1 attempt, event 9)',
    '  Nobody has taken its tasks for 45 s.',
    '  do: Start a worker, or look why it cannot reach the engine: it goes on by',
    '      itself.',
  ].join('\n');
  expect(io.outText().split(text)).toHaveLength(2);
  expect(io.outText().match(/stuck/g)).toHaveLength(1);
});

test('in a terminal a problem stands there, whole, for as long as it lasts', async () => {
  const io = watcher(await startStuckApi(), { columns: 50, rows: 40 });
  expect(await runCli(['promotion', 'watch', 'dev/2'], io)).toBe(0);
  const frames = io
    .outText()
    .replace(/\u001b\[\d*m/g, '')
    .split('\u001b[0J');
  const stuck = frames.filter((frame) => frame.includes('stuck since 11-21 12:00 UTC: no-worker:'));
  expect(stuck.length).toBeGreaterThanOrEqual(2);
  const [shown = ''] = stuck;
  expect(shown.replace(/\s+/g, ' ')).toContain('cannot reach the engine: it goes on by itself.');
  expect(frames.at(-1)).not.toContain('stuck');
});

test('an API that restarts completes the stream early; the watch goes on', async () => {
  let isDone = false;
  server = await startFakeGraphqlServer({
    promotion: () => promotionAt(isDone ? 5 : 1),
    promotionProgress: async function* ({ after }) {
      if (after === null) {
        yield progressAt(1, 2);
        return;
      }
      yield progressAt(2, 2);
      isDone = true;
    },
  });
  const io = watcher(server);
  expect(await runCli(['promotion', 'watch', 'dev/2', '--json'], io)).toBe(0);
  expect(lines(io)).toHaveLength(2);
});

test('what the API says is an error at once: no promotion, no token', async () => {
  server = await startFakeGraphqlServer({ promotion: () => null });
  const io = watcher(server);
  expect(await runCli(['promotion', 'watch', 'dev/2', '--json'], io)).toBe(1);
  expect(lines(io)).toHaveLength(1);
  expect(JSON.parse(io.outText()).error.code).toBe('promotion-not-found');
  await server.close();
  const api = await startApi(5);
  const late = watcher(api);
  const fetch: typeof globalThis.fetch = async (...args) => {
    const response = await globalThis.fetch(...args);
    api.forgetTokens();
    return response;
  };
  expect(await runCli(['promotion', 'watch', 'dev/2'], { ...late, fetch })).toBe(1);
  expect(late.errText()).toContain('does not take this token');
  expect(late.errText()).not.toContain(FAKE_TOKEN);
});

test('an error in the stream ends the watch with its code', async () => {
  server = await startFakeGraphqlServer({
    promotion: () => promotionAt(1),
    promotionProgress: async function* () {
      yield { promotionProgress: { position: '1', event: null } };
    },
  });
  const io = watcher(server);
  expect(await runCli(['promotion', 'watch', 'dev/2', '--json'], io)).toBe(1);
  expect(JSON.parse(io.outText()).error.code).toBe('api-error');
});

test('an API that stays away for five minutes is status 3, and says how to go on', async () => {
  const api = await startApi(3, [2]);
  const io = watcher(api);
  let time = 0;
  const away = {
    ...io,
    now: () => time,
    sleep: async (milliseconds: number) => {
      if (time === 0) await api.close();
      server = undefined;
      time += milliseconds;
    },
  };
  expect(await runCli(['promotion', 'watch', 'dev/2'], away)).toBe(3);
  expect(time).toBeGreaterThan(5 * 60_000);
  expect(io.errText().replace(/\s+/g, ' ')).toContain('sluice promotion watch dev/2 --after 2');
});

test.each(['x', '-1', '1.5', ''])('--after %j is a usage error', async (after) => {
  const io = fakeIo();
  expect(await runCli(['promotion', 'watch', 'dev/2', `--after=${after}`], io)).toBe(2);
});

test('request --watch follows what it asked for', async () => {
  const api = await startApi(4);
  await api.close();
  const release = { id: digest, name: 'shop', version: '1.2.0', createdBy: 'm', createdAt: at };
  let seen = 0;
  server = await startFakeGraphqlServer({
    release: () => ({ ...release, components: [] }),
    requestPromotion: () => promotionAt(0),
    promotion: () => promotionAt(seen),
    promotionProgress: async function* () {
      yield progressAt(1, 1);
      seen = STEPS.length;
    },
  });
  const io = watcher(server);
  expect(await runCli(['promotion', 'request', digest, 'dev', '--watch'], io)).toBe(0);
  expect(lines(io).at(-1)).toContain('dev/2 succeeded after 12.3 s');
});
