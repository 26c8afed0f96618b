import { expect, test } from '@jest/globals';
import { type FakeAnswers, fakeIo } from './fake-io.ts';
import { runCli } from './run-cli.ts';

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const old = { id: digest('a'), name: 'shop', version: '1.0.0' };
const next = { id: digest('b'), name: 'shop', version: '1.2.0' };
const env = { SLUICE_TOKEN: 'secret-token' };
const at = (answer: string) => ({ terminal: { columns: 80, rows: 24 }, answer });
const errorOf = (text: string) => JSON.parse(text).error;

const waits = (position: number, ready: boolean, code: string, message: string) => ({
  position,
  ready,
  enqueuedAt: '2026-11-21T12:00:03.000Z',
  reason: { code, message },
  promotion: {
    id: `staging/${position + 6}`,
    kind: 'PROMOTE',
    state: 'QUEUED',
    requestedBy: 'manager',
    release: next,
    problem: null,
  },
});
const staging = {
  name: 'staging',
  lease: {
    holder: 'staging/6',
    fencingToken: '17',
    acquiredAt: '2026-11-21T12:00:00.000Z',
    queue: [
      waits(1, false, 'waits-for-approval', 'By approver or admin, until 2026-11-22T12:00:00Z.'),
      waits(2, true, 'waits-for-lease', 'staging/6 holds the lease.'),
    ],
  },
};

const problem = {
  code: 'ACTIVITY_FAILING',
  message: 'trivyScan has failed 7 times.',
  cause: 'The database cannot\n  be read.',
  attempt: 7,
  event: 12,
  activity: 'trivyScan',
  buildId: 'b1',
  since: '2026-11-21T11:58:00.000Z',
  wayOut: ['Mend it, then: sluice promotion resume <promotion>', 'sluice rollback <environment>'],
};
const ofHolder = (found: object | null = null): FakeAnswers => ({
  promotionProblem: ({ id }) => ({ data: { promotion: { id, problem: found } } }),
});

test('the queue shows the holder, the places in order and why each waits', async () => {
  const free = { name: 'dev', lease: null };
  const io = fakeIo({
    ...ofHolder(),
    queues: () => ({ data: { environments: [free, staging] } }),
  });
  expect(await runCli(['queue'], io)).toBe(0);
  expect(io.outText().split('\n')).toEqual([
    'dev  free',
    '  nobody waits',
    '',
    'staging  held by staging/6 since 2026-11-21 12:00 UTC, fencing token 17',
    '  1. staging/7  shop@1.2.0 by manager, not ready, in line since 11-21 12:00 UTC',
    '     waits-for-approval: By approver or admin, until 2026-11-22T12:00:00Z.',
    '  2. staging/8  shop@1.2.0 by manager, ready, in line since 11-21 12:00 UTC',
    '     waits-for-lease: staging/6 holds the lease.',
    '',
  ]);
  const one = fakeIo({
    ...ofHolder(),
    queue: () => ({ data: { environment: staging } }),
  });
  expect(await runCli(['queue', 'staging', '--json'], one)).toBe(0);
  expect(JSON.parse(one.outText())).toEqual({ environments: [{ ...staging, problem: null }] });
  const none = fakeIo({ queue: () => ({ data: { environment: null } }) });
  expect(await runCli(['queue', 'nowhere', '--json'], none)).toBe(1);
  expect(errorOf(none.outText())).toMatchObject({ code: 'environment-not-found' });
});

test('the queue says why the holder, and who waits, does not go on', async () => {
  const [first, second] = staging.lease.queue;
  const stuck = { ...second, promotion: { ...second?.promotion, problem } };
  const environment = { ...staging, lease: { ...staging.lease, queue: [first, stuck] } };
  const io = fakeIo({ ...ofHolder(problem), queue: () => ({ data: { environment } }) });
  expect(await runCli(['queue', 'staging'], io)).toBe(0);
  expect(io.outText().split('\n')).toEqual([
    'staging  held by staging/6 since 2026-11-21 12:00 UTC, fencing token 17',
    '  stuck: activity-failing since 2026-11-21 11:58 UTC (7 attempts, event 12,',
    '    activity trivyScan, build b1)',
    '    trivyScan has failed 7 times.',
    '    cause: The database cannot be read.',
    '    do: Mend it, then: sluice promotion resume staging/6',
    '    or: sluice rollback staging',
    '  1. staging/7  shop@1.2.0 by manager, not ready, in line since 11-21 12:00 UTC',
    '     waits-for-approval: By approver or admin, until 2026-11-22T12:00:00Z.',
    '  2. staging/8  shop@1.2.0 by manager, ready, in line since 11-21 12:00 UTC',
    '     waits-for-lease: staging/6 holds the lease.',
    '     stuck since 11-21 11:58 UTC: activity-failing: trivyScan has failed 7',
    '       times. See sluice promotion show staging/8.',
    '',
  ]);
});

const node = (number: number, state: string, release: typeof old) => ({
  node: { id: `staging/${number}`, state, release },
});
const rollback = {
  __typename: 'Promotion',
  id: 'staging/9',
  kind: 'ROLLBACK',
  state: 'REQUESTED',
  requestedBy: 'admin',
  requestedAt: '2026-11-21T12:00:00.000Z',
  release: old,
  environment: { name: 'staging' },
};
const other = { id: digest('c'), name: 'blog', version: '1.0.0' };
const answers = (edges = [node(5, 'FAILED', next), node(4, 'SUCCEEDED', old)]): FakeAnswers => ({
  rollbackScene: () => ({
    data: {
      environment: {
        name: 'staging',
        verifiedRelease: old,
        lease: { holder: 'staging/5' },
        targets: [{ name: 'staging-host', currentRelease: old }],
        promotions: { edges },
      },
    },
  }),
  rollbackEnvironment: () => ({ data: { rollbackEnvironment: rollback } }),
});
const inputOf = (io: ReturnType<typeof fakeIo>) =>
  (io.asked.find(([name]) => name === 'rollbackEnvironment')?.[1] as { input: object })?.input;

test('a rollback shows what runs and what gives way, and asks', async () => {
  const io = fakeIo(answers(), env, at('yes'));
  expect(await runCli(['rollback', 'staging', '--last-verified', '--reason', 'broken'], io)).toBe(
    0,
  );
  expect(io.outText().split('\n')).toEqual([
    'staging would be rolled back to the release verified before, without scan, gate',
    '  or approval.',
    '  staging-host  runs shop@1.0.0',
    '  staging/5 is under way there and gives way',
    'Roll staging back to the release verified before? [y/N] staging/9  shop@1.0.0 in staging: requested.',
    'Follow it: sluice promotion watch staging/9',
    '',
  ]);
  expect(inputOf(io)).toMatchObject({ to: 'LAST_VERIFIED', release: null, reason: 'broken' });
});

test.each([
  [['--to', '1.0.0'], { to: 'RELEASE', release: old.id }],
  [['--to', 'shop@1.0.0'], { to: 'RELEASE', release: old.id }],
  [['--to', digest('9')], { to: 'RELEASE', release: digest('9') }],
  [['--nothing'], { to: 'NOTHING', release: null }],
])('%j puts there what it says', async (options, input) => {
  const io = fakeIo(answers());
  const args = ['rollback', 'staging', ...options, '--reason', 'broken', '--yes', '--json'];
  expect(await runCli(args, io)).toBe(0);
  expect(inputOf(io)).toMatchObject({ environment: 'staging', ...input });
  expect(JSON.parse(io.outText())).toEqual(rollback);
});

test.each([
  [['--to', '1.2.0'], 1, 'release-not-verified-here'],
  [['--to', '7'], 1, 'release-not-verified-here'],
  [[], 2, 'rollback-destination-unclear'],
  [['--nothing', '--last-verified'], 2, 'rollback-destination-unclear'],
])('%j is refused with status %i', async (options, status, code) => {
  const io = fakeIo(answers());
  const args = ['rollback', 'staging', ...options, '--reason', 'x', '--yes', '--json'];
  expect(await runCli(args, io)).toBe(status);
  expect(errorOf(io.outText()).code).toBe(code);
  expect(errorOf(io.outText()).next).not.toBe('');
  expect(inputOf(io)).toBeUndefined();
});

test('a version that two releases have must be said whole', async () => {
  const edges = [node(5, 'SUCCEEDED', other), node(4, 'SUCCEEDED', old)];
  const io = fakeIo(answers(edges));
  const args = ['rollback', 'staging', '--to', '1.0.0', '--reason', 'x', '--yes', '--json'];
  expect(await runCli(args, io)).toBe(2);
  expect(errorOf(io.outText()).message).toContain('blog@1.0.0, shop@1.0.0');
});

test('without a terminal, or with no for an answer, nothing is rolled back', async () => {
  const args = ['rollback', 'staging', '--nothing', '--reason', 'x'];
  const nobody = fakeIo(answers());
  expect(await runCli(args, nobody)).toBe(2);
  expect(nobody.asked).toEqual([]);
  const no = fakeIo(answers(), env, at('n'));
  expect(await runCli(args, no)).toBe(1);
  expect(inputOf(no)).toBeUndefined();
  expect(await runCli(['rollback', 'staging', '--nothing'], fakeIo())).toBe(2);
});

test('a refusal keeps its code, and an environment that is not there is said', async () => {
  const refusal = { __typename: 'StateConflict', code: 'no-verified-release', message: 'None.' };
  const io = fakeIo({
    ...answers(),
    rollbackEnvironment: () => ({ data: { rollbackEnvironment: refusal } }),
  });
  const args = ['rollback', 'staging', '--last-verified', '--reason', 'x', '--yes', '--json'];
  expect(await runCli(args, io)).toBe(1);
  expect(errorOf(io.outText()).code).toBe('no-verified-release');
  const none = fakeIo({ rollbackScene: () => ({ data: { environment: null } }) });
  expect(await runCli(args, none)).toBe(1);
  expect(errorOf(none.outText()).code).toBe('environment-not-found');
});
