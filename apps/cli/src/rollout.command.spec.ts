import { expect, test } from '@jest/globals';
import { type FakeAnswers, type FakePerson, fakeIo } from './fake-io.ts';
import { failedRollout, promotionWith, rollout, router } from './rollout.fixture.ts';
import type { RolloutView } from './rollout-operations.ts';
import { runCli } from './run-cli.ts';

const id = 'production/3';
const env = { SLUICE_TOKEN: 'secret-token' };
const at = (answer: string, columns = 80): FakePerson => ({
  terminal: { columns, rows: 24 },
  answer,
});
const errorOf = (text: string) => JSON.parse(text).error;
const shows = (...rollouts: readonly RolloutView[]): FakeAnswers => ({
  rollouts: () => ({ data: { promotion: promotionWith(...rollouts) } }),
});
const steers = (answer: object): FakeAnswers => ({
  ...shows(rollout()),
  steerRollout: () => ({ data: { steerRollout: answer } }),
});
const taken = { __typename: 'Rollout', ...rollout({ state: 'PAUSED', phase: 'HELD' }) };
const inputsOf = (io: { readonly asked: readonly [string, Record<string, unknown>][] }) =>
  io.asked.filter(([name]) => name === 'steerRollout').map(([, { input }]) => input);

function expectNarrow(text: string, columns = 80): void {
  for (const line of text.split('\n')) expect([...line].length).toBeLessThanOrEqual(columns);
}

test('show draws stages with their exposure and share, targets, requests, and who did what', async () => {
  const io = fakeIo(shows(rollout()));
  expect(await runCli(['rollout', 'show', id], io)).toBe(0);
  expect(io.asked).toEqual([['rollouts', { id }]]);
  expect(io.outText().split('\n')).toEqual([
    'production/3  shop@1.3.0 to production, step roll',
    '  canary running, stage half (2 of 3), being watched, canary 25.5 % of the',
    '    requests, 4:05',
    '',
    '  STAGE  STATE    TARGETS  EXPOSED           SHARE   WATCHED  VERDICT',
    '✓ few    held     1/1      ███         25 %  5 %     1:00     pass 98',
    '▶ half   running  1/1      █████       50 %  25.5 %  10:00',
    '· all    pending  0/2      █████░░░░░ 100 %  100 %            by policy, waits',
    '',
    '  few: succeeded host-1',
    '  half: succeeded host-2',
    '  all: pending host-3, host-4',
    '',
    'Requests (UTC):',
    '  11:55:59  production-proxy  canary 5 %, stage few: confirmed',
    '  11:58:59  production-proxy  canary 25.5 %, stage half: confirmed',
    '',
    'Done by people (UTC):',
    '  11:56:00  maya resume, refused: rollout-not-paused',
    '  11:56:30  maya pause at stage few: I want to look at the log of the first one',
    '            before it goes on.',
    '',
  ]);
  const json = fakeIo(shows(rollout()));
  expect(await runCli(['rollout', 'show', id, '--json'], json)).toBe(0);
  expect(JSON.parse(json.outText())).toEqual(promotionWith(rollout()));
});

test('show says why one failed, and that everything is back', async () => {
  const io = fakeIo(shows(failedRollout()));
  expect(await runCli(['rollout', 'show', id], io)).toBe(0);
  const text = io.outText();
  expect(text).toContain('  canary failed, stage half (2 of 3), 3:35\n  analysis-failed: errors');
  expect(text).toContain('✗ half   failed   0/1      ░░░░░       50 %  25.5 %  10:00    fail 12\n');
  expect(text).toContain('  half: reverted host-2\n    host-2: rollout-failed: The rollout did');
  expect(text).toContain('  11:59:21  production-proxy  canary 0 %, put back: confirmed\n');
  expectNarrow(text);
});

test('a paused one says until when, and what to do; nothing is wider than the terminal', async () => {
  const paused = rollout({
    state: 'PAUSED',
    phase: 'HELD',
    pausedUntil: '2026-11-22T11:59:00.000Z',
    reason: { code: 'analysis-inconclusive', message: 'Too few samples.' },
  });
  const io = fakeIo(shows(paused), env, { terminal: { columns: 50, rows: 24 } });
  expect(await runCli(['rollout', 'show', id], io)).toBe(0);
  expectNarrow(io.outText(), 50);
  expect(io.outText()).toContain('  Go on:       sluice rollout resume production/3\n');
  expect(io.outText()).toContain('  It waits for a person until 2026-11-22');
});

test('show of one step, of none, and of what is not there', async () => {
  const two = shows(rollout(), rollout({ step: 'second' }));
  const one = fakeIo(two);
  expect(await runCli(['rollout', 'show', id, '--step', 'second'], one)).toBe(0);
  expect(one.outText().match(/step \w+/g)).toEqual(['step second']);
  const unknown = fakeIo(two);
  expect(await runCli(['rollout', 'show', id, '--step', 'x', '--json'], unknown)).toBe(1);
  expect(errorOf(unknown.outText())).toMatchObject({
    code: 'rollout-not-found',
    next: 'These have one: roll, second.',
  });
  const none = fakeIo(shows());
  expect(await runCli(['rollout', 'show', id], none)).toBe(0);
  expect(none.outText()).toContain('Nothing of it rolls out in stages');
  const missing = fakeIo({ rollouts: () => ({ data: { promotion: null } }) });
  expect(await runCli(['rollout', 'show', id], missing)).toBe(1);
  expect(await runCli(['rollout', 'show', 'dev'], fakeIo())).toBe(2);
});

function inTurn(...states: readonly RolloutView[]): FakeAnswers {
  let turn = 0;
  return {
    rollouts: () => {
      const state = states[Math.min(turn, states.length - 1)];
      turn += 1;
      return { data: { promotion: promotionWith(...(state === undefined ? [] : [state])) } };
    },
  };
}

test('--watch tells each change once, and ends with the rollout', async () => {
  const done = rollout({
    state: 'COMPLETED',
    stage: 2,
    phase: 'HELD',
    endedAt: '2026-11-21T12:00:01.000Z',
  });
  const io = fakeIo(inTurn(rollout(), rollout(), done));
  expect(await runCli(['rollout', 'show', id, '--watch'], io)).toBe(0);
  expect(io.outText().split('\n')).toEqual([
    'production/3 roll: canary running, stage half (2 of 3), being watched, canary 25.5 % of the requests, 4:05',
    'production/3 roll: canary completed, 4:06',
    '',
  ]);
  const json = fakeIo(inTurn(rollout(), rollout(), failedRollout()));
  expect(await runCli(['rollout', 'show', id, '--watch', '--json'], json)).toBe(1);
  const lines = json.outText().trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line).rollouts[0].state)).toEqual(['RUNNING', 'FAILED']);
});

test('--watch draws over itself at a terminal, never wider or higher than it', async () => {
  const terminal = { columns: 60, rows: 12 };
  const io = fakeIo(inTurn(rollout(), failedRollout()), env, { terminal });
  expect(await runCli(['rollout', 'show', id, '--watch'], io)).toBe(1);
  const [, first = '', second = ''] = io.outText().split('\u001b[0J');
  const drawn = first.split('\n').slice(0, -1);
  expect(drawn).toHaveLength(11);
  expect(first).toContain(`\u001b[${drawn.length}A`);
  expectNarrow(second, 59);
});

test('--watch goes on while the API is away for a moment', async () => {
  const io = fakeIo(inTurn(rollout(), failedRollout()));
  let calls = 0;
  const fetch: typeof io.fetch = (url, init) => {
    calls += 1;
    return calls === 2 ? Promise.reject(new Error('socket hang up')) : io.fetch(url, init);
  };
  expect(await runCli(['rollout', 'show', id, '--watch'], { ...io, fetch })).toBe(1);
  expect(io.errText()).toContain('looking again');
});

test.each(['pause', 'resume', 'skip'])(
  '%s asks nobody, and says where it stands',
  async (action) => {
    const io = fakeIo(steers(taken));
    const args = ['rollout', action, id, '--comment', 'a look', '--idempotency-key', 'k1', '--yes'];
    expect(await runCli(args, io)).toBe(0);
    expect(inputsOf(io)).toEqual([
      {
        promotion: id,
        step: null,
        action: action.toUpperCase(),
        comment: 'a look',
        idempotencyKey: 'k1',
      },
    ]);
    expect(io.outText()).toContain('production/3 roll: canary paused, stage half (2 of 3)');
    expect(io.outText()).toContain('sluice rollout show production/3 --watch');
  },
);

test.each([
  ['abort', 'Abort the rollout of production/3, and put 2 of 4 targets back?'],
  ['promote', 'Put the new version on the other 2 of 4 targets of production/3, unwatched?'],
])('%s shows the rollout and asks first', async (action, question) => {
  const io = fakeIo(steers(taken), env, at('y'));
  expect(await runCli(['rollout', action, id, '--step', 'roll'], io)).toBe(0);
  expect(io.outText()).toContain('▶ half');
  expect(io.outText()).toContain(question);
  expect(inputsOf(io)).toMatchObject([{ step: 'roll', action: action.toUpperCase() }]);
  const no = fakeIo(steers(taken), env, at('n'));
  expect(await runCli(['rollout', action, id], no)).toBe(1);
  expect(inputsOf(no)).toEqual([]);
  for (const args of [[], ['--json']]) {
    const nobody = fakeIo(steers(taken), env, args.length === 0 ? undefined : at('y'));
    expect(await runCli(['rollout', action, id, ...args], nobody)).toBe(2);
    expect(nobody.asked).toEqual([]);
  }
  const sure = fakeIo(steers(taken));
  expect(await runCli(['rollout', action, id, '--yes', '--json'], sure)).toBe(0);
  expect(JSON.parse(sure.outText())).toMatchObject({ state: 'PAUSED' });
});

test('an engine that is away is asked again with the same key, then the key is named', async () => {
  const refusal = { __typename: 'EngineUnavailable', code: 'steer-unanswered', message: 'Away.' };
  const io = fakeIo(steers(refusal));
  expect(await runCli(['rollout', 'pause', id, '--json'], io)).toBe(3);
  const keys = inputsOf(io).map((input) => (input as { idempotencyKey: string }).idempotencyKey);
  expect(keys).toHaveLength(3);
  expect(new Set(keys).size).toBe(1);
  expect(errorOf(io.outText()).next).toContain(`--idempotency-key ${keys[0]}`);
});

test('a refusal is status 1 with its code; a comment that is too long is told before', async () => {
  const refusal = { __typename: 'SteerRefused', code: 'rollout-not-paused', message: 'It runs.' };
  const io = fakeIo(steers(refusal));
  expect(await runCli(['rollout', 'resume', id, '--json'], io)).toBe(1);
  expect(errorOf(io.outText()).code).toBe('rollout-not-paused');
  const long = fakeIo();
  expect(await runCli(['rollout', 'pause', id, '--comment', 'x'.repeat(501)], long)).toBe(2);
  expect(long.asked).toEqual([]);
});

test('router list shows agents, shares and servers; without any, where to declare one', async () => {
  const routers = [router(), router({ name: 'dev-proxy', route: null, agent: null })];
  const io = fakeIo({ routers: () => ({ data: { routers } }) });
  expect(await runCli(['router', 'list'], io)).toBe(0);
  expect(io.outText().split('\n')).toEqual([
    'ROUTER            ENVIRONMENT  KIND     BACKEND  AGENT   CANARY  SINCE (UTC)',
    'production-proxy  production   haproxy  shop     online  25.5 %  11-21 11:58',
    'dev-proxy         production   haproxy  shop     none            never told',
    '',
    'production-proxy, by production/3',
    '  stable 74.5 %: host-3 (10.0.0.1:8083), host-4 (10.0.0.1:8084)',
    '  canary 25.5 %: host-1 (10.0.0.1:8081), host-2 ([fd00::2]:8082)',
    '  canary for header x-beta: yes',
    '',
  ]);
  const json = fakeIo({ routers: () => ({ data: { routers } }) });
  expect(await runCli(['router', 'list', '--json'], json)).toBe(0);
  expect(JSON.parse(json.outText())).toEqual({ routers });
  const none = fakeIo({ routers: () => ({ data: { routers: [] } }) });
  expect(await runCli(['router', 'list'], none)).toBe(0);
  expect(none.outText()).toContain('`routers:`');
});
