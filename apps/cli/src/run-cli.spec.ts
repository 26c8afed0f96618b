import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { fakeIo } from './fake-io.ts';
import type { PromotionView, ReleaseView } from './operations.ts';
import { runCli } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice cli '));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const digest = `sha256:${'a'.repeat(64)}`;
const release: ReleaseView = {
  id: digest,
  name: 'shop',
  version: '1.0.0',
  createdBy: 'manager',
  createdAt: '2026-11-21T12:00:00.000Z',
  components: [{ name: 'web', kind: 'OCI', digest, version: '1.0.0' }],
};
const step = {
  type: 'scan@1',
  seconds: 1.25,
  reason: null,
  description: null,
  needs: [],
  memberCounts: null,
};
const promotion: PromotionView = {
  id: 'dev/2',
  kind: 'PROMOTE',
  state: 'DENIED',
  requestedBy: 'manager',
  requestedReason: null,
  rollbackTo: null,
  requestedAt: '2026-11-21T12:00:00.000Z',
  startedAt: null,
  endedAt: null,
  traceId: 'f'.repeat(32),
  reason: { code: 'secret-found', message: 'The gate denied it.' },
  release: { id: digest, name: 'shop', version: '1.1.0' },
  environment: { name: 'dev' },
  parameters: {},
  pipeline: { name: 'standard', version: 2, digest },
  compensation: null,
  steps: [
    { ...step, id: 'scan', state: 'SUCCEEDED' },
    { ...step, id: 'gate', state: 'FAILED', reason: { code: 'secret-found', message: 'x' } },
    { ...step, id: 'deploy', state: 'SKIPPED', seconds: null },
  ],
  decision: {
    decision: 'DENY',
    reasonCodes: ['secret-found'],
    policyDigest: digest,
    inputDigest: digest,
    determinismHash: digest,
    evaluatedAt: '2026-11-21T12:00:00.000Z',
    trace: [
      {
        rule: 'secret-in-image',
        source: 'release_gate.rego:66',
        result: 'DENY',
        finding: 'Secret private-key in /app/\u001b[31mkey line 1 of component web.',
        remedy: 'Remove /app/key from every layer, replace the secret, and release a new version.',
      },
    ],
  },
  deployments: [
    { state: 'REVERTED', planDigest: digest, target: { name: 'dev-1' }, failure: null },
  ],
  approvals: [],
  supersededBy: null,
  problem: null,
  packet: { digest },
};

test('a release is created from tags, and waited for', async () => {
  let polls = 0;
  const request = { id: 'r1', requestedBy: 'm', createdAt: 'x', refusal: null };
  const io = fakeIo({
    createRelease: () => ({
      data: {
        createRelease: {
          __typename: 'ReleaseRequest',
          ...request,
          state: 'RESOLVING',
          release: null,
        },
      },
    }),
    releaseRequest: () => {
      polls += 1;
      const isDone = polls === 2;
      const state = isDone ? 'CREATED' : 'RESOLVING';
      return { data: { releaseRequest: { ...request, state, release: isDone ? release : null } } };
    },
  });
  const args = ['release', 'create', 'shop', '1.0.0', '-c', 'web=samples:1.0.0', '--json'];
  expect(await runCli(args, io)).toBe(0);
  expect(JSON.parse(io.outText())).toMatchObject({ state: 'CREATED', release: { id: digest } });
  expect(io.asked[0]?.[1]).toMatchObject({
    input: {
      name: 'shop',
      version: '1.0.0',
      components: [{ name: 'web', source: 'samples', reference: '1.0.0' }],
      idempotencyKey: expect.stringMatching(/^[0-9a-f-]{36}$/),
    },
  });
});

test('a release that is refused ends with status 1 and says why', async () => {
  const refusal = { code: 'tag-not-found', message: 'There is no tag 9.9.9 in samples.' };
  const io = fakeIo({
    createRelease: () => ({
      data: {
        createRelease: {
          __typename: 'ReleaseRequest',
          id: 'r',
          state: 'REFUSED',
          refusal,
          release: null,
        },
      },
    }),
  });
  const args = ['release', 'create', 'shop', '9.9.9', '-c', 'web=samples:9.9.9'];
  expect(await runCli(args, io)).toBe(1);
  expect(io.errText()).toContain('There is no tag 9.9.9');
});

test('a list fits 80 columns and names the next page', async () => {
  const pageInfo = { hasNextPage: true, endCursor: 'c2' };
  const edges = [{ node: release }];
  const io = fakeIo({ releases: () => ({ data: { releases: { edges, pageInfo } } }) });
  expect(await runCli(['release', 'list', '--first', '1'], io)).toBe(0);
  expect(io.outText()).toContain('shop@1.0.0');
  expect(io.outText()).toContain('--after c2');
  for (const line of io.outText().split('\n')) expect(line.length).toBeLessThanOrEqual(80);
});

test('a promotion is requested by name@version and waited for; its bad end is status 1', async () => {
  const states = ['RUNNING', 'DENIED'];
  const view = () => ({ ...promotion, state: states.shift() });
  const io = fakeIo({
    releaseByVersion: () => ({ data: { releaseByVersion: release } }),
    requestPromotion: () => ({
      data: { requestPromotion: { __typename: 'Promotion', ...promotion, state: 'REQUESTED' } },
    }),
    promotion: () => ({ data: { promotion: view() } }),
  });
  const args = ['promotion', 'request', 'shop@1.0.0', 'dev', '--wait', '60'];
  expect(await runCli(args, io)).toBe(1);
  expect(io.asked.map(([name]) => name)).toEqual([
    'releaseByVersion',
    'requestPromotion',
    'promotion',
    'promotion',
  ]);
  expect(io.outText()).toContain('dev/2  shop@1.1.0 to dev: denied');
});

test('a promotion shows steps, decision with finding and remedy, within 80 columns', async () => {
  const io = fakeIo({ promotion: () => ({ data: { promotion } }) });
  expect(await runCli(['promotion', 'show', 'dev/2'], io)).toBe(0);
  const text = io.outText();
  for (const part of [
    'scan',
    'succeeded',
    '1.3',
    'decision: deny (secret-found)',
    'To do: Remove',
  ]) {
    expect(text).toContain(part);
  }
  expect(text).not.toContain('\u001b');
  for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
});

test('a promotion shows every round of asking people, and a rollback says that it is one', async () => {
  const rule = { count: 1, roles: ['approver', 'admin'] };
  const asked = { planDigest: digest, rule, deadline: '2026-11-22T12:00:00.000Z' };
  const said = { decision: 'APPROVE', at: promotion.requestedAt, refusal: null } as const;
  const refusal = { code: 'approver-is-requester', message: 'x' };
  const approvals: PromotionView['approvals'] = [
    {
      ...asked,
      round: 1,
      state: 'WITHDRAWN',
      reason: { code: 'plan-stale', message: 'x' },
      decisions: [{ ...said, principal: 'late', comment: '', recorded: false }],
    },
    {
      ...asked,
      round: 2,
      state: 'APPROVED',
      reason: null,
      decisions: [
        { ...said, principal: 'manager', comment: '', recorded: false, refusal },
        { ...said, principal: 'ben', comment: 'looks \u001b[1mgood', recorded: true },
      ],
    },
  ];
  const wish = { rollbackTo: 'LAST_VERIFIED', requestedReason: 'it \u001b[1mbroke' };
  const view = { ...promotion, kind: 'ROLLBACK', ...wish, decision: null, approvals };
  const io = fakeIo({ promotion: () => ({ data: { promotion: view } }) });
  expect(await runCli(['promotion', 'show', 'dev/2'], io)).toBe(0);
  const text = io.outText();
  expect(text).toContain('dev/2  dev rolls back to shop@1.1.0: denied\n');
  expect(text).toContain('  asked for  the release verified before: it ?[1mbroke\n');
  expect(text).not.toContain('until');
  expect(text).toContain(
    [
      'approval, round 1: withdrawn (plan-stale), needs 1 approval from approver or',
      '  admin',
      '  late: approve, not counted yet',
      '',
      'approval, round 2: approved, needs 1 approval from approver or admin',
      '  manager: approve, does not count (approver-is-requester)',
      '  ben: approve: looks ?[1mgood',
      '',
    ].join('\n'),
  );
  const open = [{ ...asked, round: 1, state: 'WAITING', reason: null, decisions: [] }];
  const waiting = { ...promotion, state: 'WAITING', approvals: open };
  const still = fakeIo({ promotion: () => ({ data: { promotion: waiting } }) });
  expect(await runCli(['promotion', 'show', 'dev/2'], still)).toBe(0);
  expect(still.outText().replaceAll(/\n */g, ' ')).toContain(
    'approval: waiting, needs 1 approval from approver or admin until 2026-11-22 12:00 UTC',
  );
});

test('packet and trust root are written as they are, byte for byte', async () => {
  const document = '{"schema":"sluice.packet/v1","ü":1}';
  const io = fakeIo({
    promotion: () => ({ data: { promotion } }),
    promotionPacket: () => ({ data: { promotion: { packet: { document } } } }),
    trustRoot: () => ({ data: { trustRoot: { document: '{"keys":[]}\n' } } }),
  });
  const [packet, trustRoot] = [join(folder, 'p.json'), join(folder, 't.json')];
  const args = ['promotion', 'show', 'dev/2', '--packet', packet, '--trust-root', trustRoot];
  expect(await runCli([...args, '--json'], io)).toBe(0);
  expect(readFileSync(packet, 'utf8')).toBe(document);
  expect(readFileSync(trustRoot, 'utf8')).toBe('{"keys":[]}\n');
  expect(JSON.parse(io.outText()).files).toEqual({ packet, trustRoot });
});

test('a packet that is not sealed yet is status 1', async () => {
  const running = { ...promotion, state: 'RUNNING', packet: null };
  const io = fakeIo({
    promotion: () => ({ data: { promotion: running } }),
    promotionPacket: () => ({ data: { promotion: { packet: null } } }),
  });
  expect(await runCli(['promotion', 'show', 'dev/2', '--packet', join(folder, 'x')], io)).toBe(1);
  expect(io.errText()).toContain('no packet yet');
});

test('waiting ends at its deadline', async () => {
  const running = { ...promotion, state: 'RUNNING', packet: null };
  const io = fakeIo({ promotion: () => ({ data: { promotion: running } }) });
  expect(await runCli(['promotion', 'show', 'dev/2', '--wait', '3', '--json'], io)).toBe(1);
  expect(JSON.parse(io.outText()).error.code).toBe('wait-over');
});

test('a cancellation carries its reason', async () => {
  const io = fakeIo({
    cancelPromotion: () => ({
      data: { cancelPromotion: { __typename: 'Promotion', ...promotion } },
    }),
  });
  expect(await runCli(['promotion', 'cancel', 'dev/2', '--reason', 'wrong one'], io)).toBe(0);
  expect(io.asked[0]?.[1]).toMatchObject({ input: { promotion: 'dev/2', reason: 'wrong one' } });
});

test('a refusal by the API is status 1 with its code', async () => {
  const refusal = {
    __typename: 'NotPermitted',
    code: 'not-permitted',
    message: 'Viewers only read.',
  };
  const io = fakeIo({ cancelPromotion: () => ({ data: { cancelPromotion: refusal } }) });
  const args = ['promotion', 'cancel', 'dev/2', '--reason', 'x', '--json'];
  expect(await runCli(args, io)).toBe(1);
  expect(JSON.parse(io.outText())).toEqual({
    error: { code: 'not-permitted', message: 'Viewers only read.', next: '' },
  });
});

test.each([
  [['release', 'show', 'shop'], 2, 'release-reference-invalid'],
  [['release', 'create', 'shop', '1', '-c', 'web'], 2, 'component-invalid'],
  [['promotion', 'show', 'xx'], 2, 'promotion-reference-invalid'],
  [['promotion', 'show', 'dev/0'], 2, 'promotion-reference-invalid'],
  [['promotion', 'cancel', 'dev/1/2', '--reason', 'x'], 2, 'promotion-reference-invalid'],
  [['release', 'list', '--first', '0'], 2, 'option-invalid'],
  [['release', 'list', '--api', 'nowhere'], 2, 'api-url-invalid'],
  [['release', 'list', '--token-file', '/nowhere/token'], 2, 'token-file-unusable'],
  [['release', 'list'], 3, 'api-unreachable'],
  [['release'], 2, 'usage'],
  [['reelase'], 2, 'usage'],
  [['promotion', 'cancel', 'dev/1'], 2, 'usage'],
  [['verify', '/nowhere', '--trust-root', '/nowhere'], 2, 'file-unreadable'],
])('%j ends with status %i', async (args, status, code) => {
  const io = fakeIo();
  expect(await runCli([...args, '--json'], io)).toBe(status);
  expect(JSON.parse(io.outText()).error.code).toBe(code);
  expect(io.errText()).not.toContain('    at ');
});

test('without a token nothing is sent', async () => {
  const io = fakeIo({}, {});
  expect(await runCli(['release', 'list'], io)).toBe(2);
  expect(io.errText()).toContain('SLUICE_TOKEN');
  expect(io.asked).toEqual([]);
});

test.each(['two\nlines', 'with blank', 'tab\tbed', 'schlüssel', '', 'x'.repeat(513)])(
  'the token %j is a usage error, and neither sent nor shown',
  async (token) => {
    const io = fakeIo({}, {});
    expect(await runCli(['release', 'list', '--json', '--token', token], io)).toBe(2);
    const { error } = JSON.parse(io.outText());
    expect(error.code).toBe('token-invalid');
    if (token !== '') expect(`${error.message}${error.next}`).not.toContain(token);
    expect(io.asked).toEqual([]);
  },
);

test('the message inside a sentence loses its own full stop', async () => {
  const io = {
    ...fakeIo(),
    fetch: () => Promise.reject(new Error('fetch failed: bad value..')),
  };
  expect(await runCli(['release', 'list'], io)).toBe(3);
  expect(io.errText().replace(/\s+/g, ' ')).toContain('bad value. Is it running?');
});

test('a token that the API does not know is status 1', async () => {
  const errors = [{ message: 'x', extensions: { code: 'UNAUTHENTICATED' } }];
  const io = fakeIo({ releases: () => ({ errors }) });
  expect(await runCli(['release', 'list', '--json'], io)).toBe(1);
  expect(JSON.parse(io.outText()).error.code).toBe('token-refused');
});

test('a token file that others may read is refused', async () => {
  const path = join(folder, 'token');
  writeFileSync(path, 'secret', { mode: 0o644 });
  const io = fakeIo();
  expect(await runCli(['release', 'list', '--token-file', path], io)).toBe(2);
  expect(io.errText()).toContain('chmod 600');
});

test('help names the exit codes and is status 0', async () => {
  const io = fakeIo();
  expect(await runCli(['--help'], io)).toBe(0);
  expect(io.outText()).toContain('Exit codes: 0 done');
  expect(await runCli(['--version'], fakeIo())).toBe(0);
});

test('a promotion that is stuck shows its problem with every way out', async () => {
  const problem = {
    code: 'NONDETERMINISM',
    message: 'The build that runs does something else than its history says.',
    cause: 'Nondeterminism error: Activity type of scheduled event does not match',
    attempt: 4,
    event: 17,
    activity: null,
    buildId: '18a4bff6ae9792ab',
    since: '2026-11-21T12:00:00.000Z',
    wayOut: ['Run the build again that began it.', 'sluice promotion reset <promotion>'],
  };
  const running = { ...promotion, state: 'RUNNING', reason: null, decision: null, problem };
  const io = fakeIo({ promotion: () => ({ data: { promotion: running } }) });
  expect(await runCli(['promotion', 'show', 'dev/2'], io)).toBe(0);
  expect(io.outText()).toContain(
    [
      'stuck: nondeterminism since 2026-11-21 12:00 UTC (4 attempts, event 17, build',
      '  18a4bff6ae9792ab)',
      '  The build that runs does something else than its history says.',
      '  cause: Nondeterminism error: Activity type of scheduled event does not match',
      '  do: Run the build again that began it.',
      '  or: sluice promotion reset dev/2',
    ].join('\n'),
  );
  for (const line of io.outText().split('\n')) expect(line.length).toBeLessThanOrEqual(80);
});
