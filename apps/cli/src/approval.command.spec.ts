import { expect, test } from '@jest/globals';
import { composePlanSet } from '@sluice/domain';
import { planSetDigest } from '@sluice/pure';
import type { ApprovalView, DifferenceView } from './approval-operations.ts';
import { type FakeAnswers, type FakePerson, fakeIo } from './fake-io.ts';
import { runCli } from './run-cli.ts';

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const id = 'production/3';
const plans = ['host-1', 'host-2'].map((target, at) => ({ target, plan: digest(String(at)) }));
const planDigest = planSetDigest(composePlanSet(id, digest('b'), plans));
const old = { id: digest('a'), name: 'shop', version: '1.0.0' };
const next = { id: digest('b'), name: 'shop', version: '1.2.0' };

const request: ApprovalView = {
  id: `${id}#1`,
  round: 1,
  state: 'WAITING',
  reason: null,
  rule: { count: 2, roles: ['admin', 'approver'], deadlineSeconds: 3600 },
  releaseDigest: next.id,
  planDigest,
  openedAt: '2026-11-21T12:00:00.000Z',
  deadline: '2026-11-21T13:00:00.000Z',
  closedAt: null,
  decisions: [
    {
      id: 'carol/k',
      principal: 'carol',
      decision: 'APPROVE',
      comment: 'Fine.',
      recorded: true,
      refusal: null,
      at: '2026-11-21T12:01:00.000Z',
    },
  ],
  blockedForMe: null,
  promotion: {
    id,
    state: 'WAITING',
    requestedBy: 'manager',
    requestedAt: '2026-11-21T11:59:00.000Z',
    release: next,
    environment: { name: 'production' },
  },
};
const difference: DifferenceView = {
  current: old,
  desired: next,
  components: [
    {
      name: 'web',
      change: 'CHANGED',
      from: { kind: 'OCI', version: '1.0.0', digest: digest('c') },
      to: { kind: 'OCI', version: '1.2.0', digest: digest('d') },
    },
  ],
  packages: {
    changes: Array.from({ length: 30 }, (_, at) => ({
      name: `npm/package-${at}`,
      change: 'ADDED',
      from: null,
      to: '1.0.0',
    })),
    added: 1500,
    removed: 0,
    changed: 0,
    unchanged: 7,
  },
  findings: {
    new: [
      {
        kind: 'secret',
        rule: 'private-key',
        severity: 'HIGH',
        place: 'web:/app/\u001b[2Jkey:1',
        title: 'Asymmetric private key',
      },
    ],
    resolved: [],
    newCount: 1,
    resolvedCount: 0,
    unchanged: 3,
  },
  targets: plans.map(({ target, plan }) => ({
    target: { name: target, address: '10.0.0.1' },
    planDigest: plan,
    change: 'CHANGED',
    current: { release: old.id, name: 'shop', version: '1.0.0' },
    desired: { release: next.id, name: 'shop', version: '1.2.0' },
    settings: [
      { name: 'PORT', change: 'UNCHANGED', from: '80', to: '80' },
      { name: 'TOKEN', change: 'ADDED', from: null, to: { secret: 'shop-token' } },
    ],
  })),
};

const asked = (change: object = {}): FakeAnswers => ({
  promotionApproval: () => ({
    data: { promotion: { id, state: 'WAITING', approval: { ...request, difference, ...change } } },
  }),
  decideApproval: () => ({
    data: { decideApproval: { __typename: 'ApprovalRequest', ...request, state: 'APPROVED' } },
  }),
});
const env = { SLUICE_TOKEN: 'secret-token' };
const at = (answer: string): FakePerson => ({ terminal: { columns: 80, rows: 24 }, answer });
const errorOf = (text: string) => JSON.parse(text).error;

test('the inbox names what waits, since when and until, and the next command', async () => {
  const pageInfo = { hasNextPage: true, endCursor: 'c1' };
  const approvals = { edges: [{ node: request }], pageInfo, position: '7' };
  const io = fakeIo({ approvals: () => ({ data: { approvals } }) });
  expect(await runCli(['approvals'], io)).toBe(0);
  expect(io.asked).toEqual([['approvals', { first: 20, all: false }]]);
  expect(io.outText().split('\n')).toEqual([
    'PROMOTION     RELEASE     ENVIRONMENT  BY       SINCE (UTC)  UNTIL (UTC)',
    'production/3  shop@1.2.0  production   manager  11-21 12:00  11-21 13:00',
    'More: --after c1',
    '',
    'Look at one and decide:',
    '  sluice approve production/3',
    '',
  ]);
  for (const line of io.outText().split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  const json = fakeIo({ approvals: () => ({ data: { approvals } }) });
  expect(await runCli(['approvals', '--json'], json)).toBe(0);
  expect(JSON.parse(json.outText())).toEqual({ approvals: [request], next: 'c1', position: '7' });
});

test('--all says why somebody cannot decide, and an empty inbox what to do', async () => {
  const pageInfo = { hasNextPage: false, endCursor: null };
  const blockedForMe = { code: 'approver-is-requester', message: 'You asked for it.' };
  const edges = [{ node: { ...request, blockedForMe } }];
  const io = fakeIo({
    approvals: () => ({ data: { approvals: { edges, pageInfo, position: '7' } } }),
  });
  expect(await runCli(['approvals', '--all'], io)).toBe(0);
  expect(io.outText()).toContain('production/3  approver-is-requester: You asked for it.');
  expect(io.outText()).not.toContain('sluice approve');
  const none = fakeIo({
    approvals: () => ({ data: { approvals: { edges: [], pageInfo, position: '7' } } }),
  });
  expect(await runCli(['approvals'], none)).toBe(0);
  expect(none.outText()).toContain('sluice approvals --all');
});

test('approve shows everything before it asks, and binds to what it showed', async () => {
  const io = fakeIo(asked(), env, at('y'));
  expect(await runCli(['approve', id, '--comment', 'Looks good.'], io)).toBe(0);
  const shown = io.outText().split('\n');
  expect(shown.slice(0, 13)).toEqual([
    'production/3  shop@1.2.0 to production: waiting',
    '  requested by manager',
    '  needs 2 approvals from admin or approver',
    '  asked 2026-11-21 12:00, open until 2026-11-21 13:00 UTC',
    '  carol: approve: Fine.',
    '',
    '  runs now   shop@1.0.0',
    '  would run  shop@1.2.0',
    '',
    'COMPONENT  CHANGE   FROM                       TO',
    'web        changed  1.0.0 sha256:cccccccccccc  1.2.0 sha256:dddddddddddd',
    '',
    'packages: 1500 added, 0 removed, 0 changed, 7 unchanged',
  ]);
  expect(shown.slice(32)).toEqual([
    '  + npm/package-19 1.0.0',
    '  … and 1480 more (--full, or --json)',
    '',
    'findings: 1 new, 0 resolved, 3 unchanged',
    '  + new      HIGH secret private-key in web:/app/?[2Jkey:1: Asymmetric private',
    '      key',
    '',
    'targets:',
    '  ~ host-1 (10.0.0.1)  shop@1.0.0 → shop@1.2.0',
    `    plan ${digest('0')}`,
    '    + TOKEN: secret shop-token',
    '  ~ host-2 (10.0.0.1)  shop@1.0.0 → shop@1.2.0',
    `    plan ${digest('1')}`,
    '    + TOKEN: secret shop-token',
    '',
    `release  ${digest('b')}`,
    `plan     ${planDigest}`,
    '',
    'Approve shop@1.2.0 for production? [y/N] production/3: approved, 1 of 2 approvals.',
    'Follow it: sluice promotion watch production/3',
    '',
  ]);
  expect(io.asked.at(-1)).toEqual([
    'decideApproval',
    {
      input: {
        promotion: id,
        decision: 'APPROVE',
        release: next.id,
        plan: planDigest,
        comment: 'Looks good.',
        idempotencyKey: expect.stringMatching(/^[0-9a-f-]{36}$/),
      },
    },
  ]);
});

test('--full lists every change that the API gave, and says what it did not give', async () => {
  const io = fakeIo(asked(), env, at('y'));
  expect(await runCli(['approve', id, '--full'], io)).toBe(0);
  expect(io.outText()).toContain('npm/package-29');
  expect(io.outText()).toContain('… and 1470 more');
});

test.each(['n', '', 'yesno', 'maybe', 'N'])('the answer %j decides nothing', async (answer) => {
  const io = fakeIo(asked(), env, at(answer));
  expect(await runCli(['approve', id], io)).toBe(1);
  expect(io.errText()).toContain('Nothing was done');
  expect(io.asked.map(([name]) => name)).toEqual(['promotionApproval']);
});

test.each([[[]], [['--yes']], [['--plan', planDigest]]])(
  'without a terminal %j does not do: nothing is even looked at',
  async (options) => {
    const io = fakeIo(asked());
    expect(await runCli(['approve', id, ...options], io)).toBe(2);
    expect(io.errText().replace(/\s+/g, ' ')).toContain(
      'sluice promotion show production/3 --difference',
    );
    expect(io.asked).toEqual([]);
  },
);

test('--json asks nobody, even at a terminal', async () => {
  const io = fakeIo(asked(), env, at('y'));
  expect(await runCli(['approve', id, '--json'], io)).toBe(2);
  expect(errorOf(io.outText()).code).toBe('confirmation-missing');
});

test('without a terminal --yes and the plan approve, and --json gives what was decided', async () => {
  const io = fakeIo(asked());
  const args = ['approve', id, '--yes', '--plan', planDigest, '--idempotency-key', 'k1', '--json'];
  expect(await runCli(args, io)).toBe(0);
  expect(JSON.parse(io.outText())).toMatchObject({ state: 'APPROVED', difference, planDigest });
  expect(io.asked.at(-1)?.[1]).toMatchObject({ input: { plan: planDigest, idempotencyKey: 'k1' } });
});

test('a plan that changed since is shown and refused', async () => {
  const io = fakeIo(asked());
  expect(await runCli(['approve', id, '--yes', '--plan', digest('f')], io)).toBe(1);
  expect(io.outText()).toContain(planDigest);
  expect(io.errText()).toContain(`not ${digest('f')}`);
  expect(io.asked.map(([name]) => name)).not.toContain('decideApproval');
});

test('plans that do not make the plan digest are never approved', async () => {
  const [first] = difference.targets;
  const targets = [{ ...first, planDigest: digest('e') }];
  const io = fakeIo(asked({ difference: { ...difference, targets } }), env, at('y'));
  expect(await runCli(['approve', id, '--yes'], io)).toBe(1);
  expect(io.errText().replace(/\s+/g, ' ')).toContain('Do not approve it');
  expect(io.asked.map(([name]) => name)).not.toContain('decideApproval');
});

test.each([
  [{ state: 'EXPIRED' }, 'approval-closed'],
  [{ blockedForMe: { code: 'approver-is-requester', message: 'x' } }, 'approver-is-requester'],
])('what cannot be decided says so before anything is asked: %j', async (change, code) => {
  const io = fakeIo(asked(change));
  const args = ['approve', id, '--yes', '--plan', planDigest, '--json'];
  expect(await runCli(args, io)).toBe(1);
  expect(errorOf(io.outText())).toMatchObject({ code, next: expect.stringContaining('sluice ') });
});

test('a key that was used before gets its answer from the API, whatever came afterwards', async () => {
  const io = fakeIo(asked({ state: 'APPROVED' }));
  const args = ['approve', id, '--yes', '--plan', planDigest, '--idempotency-key', 'k1', '--json'];
  expect(await runCli(args, io)).toBe(0);
});

test('a promotion that asks for nothing, or is not there', async () => {
  const none = fakeIo({
    promotionApproval: () => ({ data: { promotion: { id, state: 'RUNNING', approval: null } } }),
  });
  const args = ['reject', id, '--comment', 'no', '--json'];
  expect(await runCli(args, none)).toBe(1);
  expect(errorOf(none.outText()).code).toBe('approval-not-open');
  const missing = fakeIo({ promotionApproval: () => ({ data: { promotion: null } }) });
  expect(await runCli(args, missing)).toBe(1);
  expect(errorOf(missing.outText()).code).toBe('promotion-not-found');
});

test('reject needs a comment and binds to the newest plan', async () => {
  expect(await runCli(['reject', id], fakeIo())).toBe(2);
  const io = fakeIo(asked());
  expect(await runCli(['reject', id, '--comment', 'Not on a Friday.'], io)).toBe(0);
  expect(io.asked.at(-1)?.[1]).toMatchObject({
    input: { decision: 'REJECT', plan: planDigest, comment: 'Not on a Friday.' },
  });
});

test('an engine that is away is asked again with the same key, then the key is named', async () => {
  const refusal = {
    __typename: 'EngineUnavailable',
    code: 'approval-unanswered',
    message: 'Away.',
  };
  const io = fakeIo({ ...asked(), decideApproval: () => ({ data: { decideApproval: refusal } }) });
  const args = ['approve', id, '--yes', '--plan', planDigest, '--json'];
  expect(await runCli(args, io)).toBe(3);
  const keys = io.asked
    .filter(([name]) => name === 'decideApproval')
    .map(([, { input }]) => (input as { idempotencyKey: string }).idempotencyKey);
  expect(keys).toHaveLength(3);
  expect(new Set(keys).size).toBe(1);
  expect(errorOf(io.outText()).next).toContain(`--idempotency-key ${keys[0]}`);
});

test('an API that falls silent while it is told is asked again, for it may have heard', async () => {
  let tries = 0;
  const io = fakeIo(asked());
  const fetch: typeof io.fetch = (url, init) => {
    if (!String(init?.body).includes('DecideApproval')) return io.fetch(url, init);
    tries += 1;
    return tries === 1 ? Promise.reject(new Error('socket hang up')) : io.fetch(url, init);
  };
  const args = ['approve', id, '--yes', '--plan', planDigest];
  expect(await runCli(args, { ...io, fetch })).toBe(0);
  expect(tries).toBe(2);
});

test('a refusal by the API is status 1 with its code', async () => {
  const refusal = { __typename: 'ApprovalRefused', code: 'approval-wrong-plan', message: 'Stale.' };
  const io = fakeIo({ ...asked(), decideApproval: () => ({ data: { decideApproval: refusal } }) });
  const args = ['approve', id, '--yes', '--plan', planDigest, '--json'];
  expect(await runCli(args, io)).toBe(1);
  expect(errorOf(io.outText()).code).toBe('approval-wrong-plan');
});

test.each([
  ['--plan', 'sha256:short'],
  ['--comment', 'x'.repeat(501)],
])('%s with a wrong value is a usage error', async (option, value) => {
  const io = fakeIo({}, env, at('y'));
  expect(await runCli(['approve', id, option, value, '--yes'], io)).toBe(2);
  expect(io.asked).toEqual([]);
});
