import { afterEach, expect, test } from '@jest/globals';
import {
  FAKE_TOKEN,
  type FakeGraphqlServer,
  startFakeGraphqlServer,
} from './fake-graphql-server.ts';
import { type FakeAnswers, fakeIo } from './fake-io.ts';
import type { PromotionView, StepView } from './operations.ts';
import { runCli } from './run-cli.ts';
import { describeCompensation, describeSteps } from './step-text.ts';

/** Surroundings over the data of each answer. */
const fake = (answers: FakeAnswers = {}) =>
  fakeIo(
    Object.fromEntries(
      Object.entries(answers).map(([name, answer]) => [
        name,
        (variables: Record<string, unknown>) => ({ data: answer(variables) }),
      ]),
    ),
  );

const digest = `sha256:${'a'.repeat(64)}`;
const at = '2030-01-01T00:00:00.000Z';

const log = (step: string, member: string | null = null, more: object = {}) => ({
  __typename: 'StepLog',
  step,
  member,
  round: 1,
  attempt: 1,
  purpose: 'RUN',
  bytes: 12,
  droppedBytes: 0,
  digest,
  startedAt: at,
  endedAt: at,
  ...more,
});

const steps = ['scan', 'deploy'].map((id) => ({ id, state: 'SUCCEEDED' }));
const logs = (list: readonly unknown[]): FakeAnswers => ({
  promotion: () => ({ promotion: { id: 'dev/1', state: 'RUNNING', packet: null, steps } }),
  stepLogs: () => ({
    stepLogs: { edges: list.map((node) => ({ node })), pageInfo: { hasNextPage: false } },
  }),
});

let server: FakeGraphqlServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

test('without a step the logs are listed', async () => {
  const io = fake(
    logs([
      log('scan', null, { bytes: null, digest: null, endedAt: null }),
      log('deploy', 'host-1', { attempt: 2, purpose: 'COMPENSATE', droppedBytes: 99 }),
    ]),
  );
  expect(await runCli(['promotion', 'logs', 'dev/1'], io)).toBe(0);
  expect(io.outText()).toMatch(/scan +1 +being written/);
  expect(io.outText()).toMatch(/deploy +host-1 +undo 2 +12 +99 left out/);
  const none = fake(logs([]));
  expect(await runCli(['promotion', 'logs', 'dev/1'], none)).toBe(0);
  expect(none.outText()).toContain('Nothing was written');
});

test('a log is read piece by piece, and can not steer the terminal', async () => {
  const text = 'one\r\ntwo\t\u001b[31mred\u001b[0m';
  const answers: FakeAnswers = {
    stepLog: ({ offset }) => {
      const from = Number(offset);
      const piece = text.slice(from, from + 7);
      const nextOffset = from + piece.length;
      const isEnd = nextOffset === text.length;
      return { stepLog: { offset: from, text: piece, nextOffset, isEnd, log: log('scan') } };
    },
  };
  const io = fake(answers);
  expect(await runCli(['promotion', 'logs', 'dev/1', 'scan'], io)).toBe(0);
  expect(io.outText()).toBe('one\ntwo\t?[31mred?[0m\n');
  expect(io.asked[1]?.[1]).toMatchObject({ attempt: 1, round: 1, offset: 7 });
  const json = fake(answers);
  expect(await runCli(['promotion', 'logs', 'dev/1', 'scan', '--json'], json)).toBe(0);
  expect(JSON.parse(json.outText())).toMatchObject({ text, log: { step: 'scan' } });
});

test('where there is no such log, the others are named', async () => {
  const missing: FakeAnswers = { stepLog: () => ({ stepLog: null }) };
  const many = fake({ ...missing, ...logs([log('deploy', 'host-1'), log('deploy', 'host-2')]) });
  expect(await runCli(['promotion', 'logs', 'dev/1', 'deploy'], many)).toBe(1);
  expect(many.errText()).toContain('--member: host-1, host-2');
  const unknown = fake({ ...missing, ...logs([]) });
  expect(await runCli(['promotion', 'logs', 'dev/1', 'nothing'], unknown)).toBe(1);
  expect(unknown.errText()).toContain('It has scan, deploy.');
  const silent = fake({ ...missing, ...logs([]) });
  expect(await runCli(['promotion', 'logs', 'dev/1', 'scan'], silent)).toBe(0);
});

test('a search names log and line, with the status of grep', async () => {
  const match = { line: 7, offset: 70, text: 'an \u001b[31merror', log: log('deploy', 'host-1') };
  const found = { searchStepLogs: { complete: false, matches: [match] } };
  const io = fake({ searchStepLogs: () => found });
  expect(await runCli(['promotion', 'logs', 'dev/1', '--search', 'error'], io)).toBe(0);
  expect(io.outText()).toBe('deploy/host-1:7: an ?[31merror\n');
  expect(io.errText()).toContain('more than one search looks through');
  const none = fake({
    searchStepLogs: () => ({ searchStepLogs: { complete: true, matches: [] } }),
  });
  expect(await runCli(['promotion', 'logs', 'dev/1', '--search', 'x'], none)).toBe(1);
});

test.each([
  ['--follow'],
  ['--member', 'a'],
  ['--search', 'x', '--attempt', '1'],
  ['scan', '--after', '1.run.1.0'],
  ['scan', '--follow', '--attempt', '1'],
  ['scan', '--attempt', '0'],
  ['Not A Step'],
])('logs dev/1 %s %s is a usage error', async (...words) => {
  expect(await runCli(['promotion', 'logs', 'dev/1', ...words], fake())).toBe(2);
});

test('a log is followed over connections that break: nothing twice, nothing left out', async () => {
  const all = ['one\n', 'two\n', 'three\n', 'four\n'];
  const begun: unknown[] = [];
  let isDone = false;
  server = await startFakeGraphqlServer({
    promotion: () => ({
      __typename: 'Promotion',
      id: 'dev/1',
      number: 1,
      kind: 'PROMOTE',
      state: 'RUNNING',
      requestedBy: 'm',
      requestedAt: at,
      parameters: {},
      release: { id: digest, name: 'shop', version: '1.0.0' },
      environment: { name: 'dev' },
      steps: [{ id: 'scan', type: 'scan@1', state: isDone ? 'SUCCEEDED' : 'RUNNING', needs: [] }],
      deployments: [],
      approvals: [],
    }),
    stepLogAppended: async function* ({ after }: { after: string | null }) {
      begun.push(after);
      const from = after === null ? 0 : Number(after);
      for (const [index, text] of all.entries()) {
        if (index < from) continue;
        const position = String(index + 1);
        const chunk = { position, offset: index, text, log: log('scan') };
        yield { stepLogAppended: chunk };
        // Completed early, as by an API process that stops.
        if (begun.length === 1 && index === 1) return;
      }
      isDone = true;
    },
  } as never);
  const io = { ...fakeIo({}, { SLUICE_TOKEN: FAKE_TOKEN, SLUICE_API_URL: server.url }), fetch };
  expect(await runCli(['promotion', 'logs', 'dev/1', 'scan', '--follow'], io)).toBe(0);
  expect(io.outText()).toBe(all.join(''));
  expect(begun).toEqual([null, '2']);
});

const stepOf = (id: string, state: string, more: Partial<StepView> = {}): StepView => ({
  id,
  type: 'deploy@1',
  state,
  seconds: 1,
  reason: null,
  description: null,
  needs: [],
  memberCounts: null,
  ...more,
});
const counts = {
  total: 5,
  pending: 0,
  running: 0,
  succeeded: 3,
  denied: 0,
  failed: 2,
  skipped: 0,
  cancelled: 0,
  reverted: 0,
};

test('partial, skipped, cancelled and put back are told apart, each with its cause', () => {
  const reason = { code: 'if-false', message: 'Its condition is false.' };
  const text = describeSteps({
    reason: null,
    steps: [
      stepOf('a', 'PARTIAL', { memberCounts: counts }),
      stepOf('b', 'SKIPPED', { reason }),
      stepOf('c', 'CANCELLED'),
      stepOf('d', 'REVERTED', { memberCounts: { ...counts, succeeded: 0, reverted: 3 } }),
    ],
  });
  expect(text).toMatch(/a +partial 3\/5 +1.0 +2 failed/);
  expect(text).toMatch(/b +skipped +1.0 +if-false/);
  expect(text).toMatch(/c +cancelled/);
  expect(text).toMatch(/d +reverted 3\/5 +1.0 +2 failed, 3 reverted/);
  expect(text).toContain('b was skipped: Its condition is false.');
});

test('what could not be undone says what to do, with the environment in its place', () => {
  const part = {
    type: 'deploy@1',
    undoes: 'Puts it back.',
    undoneMembers: null,
    memberCount: null,
  };
  const compensation: PromotionView['compensation'] = {
    complete: false,
    steps: [
      {
        ...part,
        step: 'deploy',
        state: 'FAILED',
        byHand: 'Run `sluice rollback <environment>`.',
        reason: { code: 'compensation-failed', message: 'No answer.' },
      },
      { ...part, step: 'tell', state: 'STAYS', byHand: null, reason: null, undoes: null },
      { ...part, step: 'call', state: 'STAYS', byHand: 'Look.', reason: null, undoes: null },
    ],
  };
  const text = describeCompensation({ id: 'prod/7', compensation });
  expect(text).toMatch(/deploy +NOT undone, by hand/);
  expect(text).toMatch(/tell +stays by design/);
  expect(text).toMatch(/call +may have happened, look/);
  expect(text).toContain('To do for call: Look.');
  expect(text).toContain('To do for deploy: Run `sluice rollback prod`.');
  // It stands with the step, and says what to do in its own words.
  expect(text).not.toContain('No answer.');
  const undone = { complete: true, steps: compensation.steps.slice(1) };
  expect(describeCompensation({ id: 'prod/7', compensation: undone })).toContain(
    'What was done is undone, but for what stays by design, or may have happened',
  );
  expect(describeCompensation({ id: 'prod/7', compensation: null })).toBe('');
});
