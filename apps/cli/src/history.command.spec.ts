import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type FakeAnswers, fakeIo } from './fake-io.ts';
import { runCli } from './run-cli.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sluice history '));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const digestOf = (bytes: string | Buffer) =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const errorOf = (text: string) => JSON.parse(text).error;
const run = (changes: object = {}) => ({
  workflowId: 'promotion/acme/dev/1',
  runId: '0195a1b2-0000-7000-8000-000000000001',
  workflowType: 'promoteRelease',
  status: 'COMPLETED',
  eventCount: 87,
  buildIds: ['18a4bff6ae9792ab'],
  bundleDigests: [digestOf('code')],
  historyDigest: digestOf('history'),
  archiveDigest: digestOf('archive'),
  packetDigest: digestOf('packet'),
  startedAt: '2026-11-21T12:00:00.000Z',
  closedAt: '2026-11-21T12:04:05.000Z',
  archivedAt: '2026-11-21T12:04:06.000Z',
  expiredAt: null,
  statement: {},
  ...changes,
});
const document = (fileName: string, text = '{"history":1}') => ({
  fileName,
  workflowId: 'promotion/acme/dev/1',
  runId: 'r1',
  digest: digestOf(text),
  content: text,
});
const exported = (documents: object[]) => ({
  data: { exportHistories: { __typename: 'ExportedHistories', form: 'REDACTED', documents } },
});
const inputOf = (variables: Record<string, unknown>) =>
  variables['input'] as { promotion: string; form: string; reason: string };

test('archived runs are listed with status, events, build and digests, in 80 columns', async () => {
  const histories = [
    run({ status: 'TERMINATED' }),
    run({ workflowType: 'settlePromotion', expiredAt: '2026-12-21T12:00:00.000Z', buildIds: [] }),
  ];
  const promotion = { id: 'dev/1', state: 'FAILED', bundleDigest: null, histories };
  const io = fakeIo({ promotionHistories: () => ({ data: { promotion } }) });
  expect(await runCli(['history', 'list', 'dev/1'], io)).toBe(0);
  const [head = '', first = ''] = io.outText().split('\n');
  expect(head).toMatch(/^WORKFLOW +STATUS +EVENTS +CLOSED \(UTC\) +TOOK +BUILD$/);
  expect(first).toMatch(
    /^promoteRelease +terminated +87 +2026-11-21 12:04 +4:05 +18a4bff6ae9792ab$/,
  );
  expect(io.outText()).toContain('archive  removed by rule 2026-12-21 12:00 UTC');
  for (const line of io.outText().split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  const json = fakeIo({ promotionHistories: () => ({ data: { promotion } }) });
  expect(await runCli(['history', 'list', 'dev/1', '--json'], json)).toBe(0);
  expect(JSON.parse(json.outText())).toEqual(promotion);
  const open = { ...promotion, state: 'RUNNING', histories: [] };
  const none = fakeIo({ promotionHistories: () => ({ data: { promotion: open } }) });
  expect(await runCli(['history', 'list', 'dev/1'], none)).toBe(0);
  expect(none.outText()).toContain('dev/1 is running and has no archived history yet');
});

test('an export writes files that only their owner reads, and says how to replay them', async () => {
  const io = fakeIo({ exportHistories: () => exported([document('dev-1.r1.json')]) });
  const to = join(root, 'out');
  const args = ['history', 'export', 'dev/1', '--to', to, '--reason', 'looking'];
  expect(await runCli(args, io)).toBe(0);
  expect(io.outText()).toContain('1 history written to');
  expect(io.outText()).toContain(`sluice replay ${to}`);
  expect(statSync(to).mode & 0o777).toBe(0o700);
  expect(statSync(join(to, 'dev-1.r1.json')).mode & 0o777).toBe(0o600);
  expect(readFileSync(join(to, 'dev-1.r1.json'), 'utf8')).toBe('{"history":1}');
  expect(inputOf(io.asked[0]?.[1] ?? {})).toMatchObject({
    promotion: 'dev/1',
    form: 'REDACTED',
    reason: 'looking',
  });
});

test('encrypted histories are written as their bytes', async () => {
  const bytes = Buffer.from([0, 255, 7, 10]);
  const answer = { ...document('dev-1.r1.history'), content: bytes.toString('base64') };
  const io = fakeIo({
    exportHistories: () => exported([{ ...answer, digest: digestOf(bytes) }]),
  });
  const args = ['history', 'export', 'dev/1', '--to', root, '--encrypted', '--json'];
  expect(await runCli(args, io)).toBe(0);
  expect(readFileSync(join(root, 'dev-1.r1.history'))).toEqual(bytes);
  expect(JSON.parse(io.outText())).toMatchObject({ form: 'ENCRYPTED', saved: [{ size: 4 }] });
});

test.each([
  '../escaped.r1.json',
  '/tmp/escaped.r1.json',
  'a/b.r1.json',
  '..',
  '.hidden.r1.json',
  'dev-1.r1.sh',
  'dev-1.r1.history',
  'dev-1.r1.json\u0000.png',
  'dev-1\u001b[31m.r1.json',
  '',
])('the file name %j of a server is refused, and nothing is written', async (fileName) => {
  const io = fakeIo({ exportHistories: () => exported([document(fileName)]) });
  const to = join(root, 'out');
  expect(await runCli(['history', 'export', 'dev/1', '--to', to, '--json'], io)).toBe(1);
  expect(errorOf(io.outText()).code).toBe('file-name-refused');
  expect(readdirSync(to)).toEqual([]);
  expect(readdirSync(root)).toEqual(['out']);
});

test('a link that lies in the folder is replaced, not followed', async () => {
  const victim = join(root, 'victim');
  writeFileSync(victim, 'mine');
  symlinkSync(victim, join(root, 'dev-1.r1.json'));
  const io = fakeIo({ exportHistories: () => exported([document('dev-1.r1.json')]) });
  expect(await runCli(['history', 'export', 'dev/1', '--to', root], io)).toBe(0);
  expect(readFileSync(victim, 'utf8')).toBe('mine');
  expect(lstatSync(join(root, 'dev-1.r1.json')).isFile()).toBe(true);
});

test('a document that was changed on its way is refused', async () => {
  const changed = { ...document('dev-1.r1.json'), content: '{"history":2}' };
  const io = fakeIo({ exportHistories: () => exported([changed]) });
  expect(await runCli(['history', 'export', 'dev/1', '--to', root, '--json'], io)).toBe(1);
  expect(errorOf(io.outText()).code).toBe('digest-differs');
  expect(readdirSync(root)).toEqual([]);
});

/** `count` promotions, of which every tenth has only removed histories and every seventh lost them since the list. */
function estate(count: number): FakeAnswers {
  const ids = [...Array(count).keys()].map((at) => `dev/${count - at}`);
  const number = (id: string) => Number(id.split('/')[1]);
  return {
    promotionsWithHistories: ({ first, after }) => {
      const from = Number(after ?? 0);
      const page = ids.slice(from, from + Number(first));
      const edges = page.map((id) => ({
        node: {
          id,
          state: 'FAILED',
          histories: [
            { runId: 'r', expiredAt: number(id) % 10 === 0 ? '2026-11-01T00:00:00Z' : null },
          ],
        },
      }));
      const end = from + page.length;
      const pageInfo = { hasNextPage: end < ids.length, endCursor: String(end) };
      return { data: { promotions: { edges, pageInfo } } };
    },
    exportHistories: (variables) => {
      const { promotion } = inputOf(variables);
      if (number(promotion) % 7 !== 0) {
        return exported([document(`${promotion.replace('/', '-')}.r1.json`)]);
      }
      const refusal = { code: 'history-expired', message: `The history of ${promotion} is gone.` };
      return { data: { exportHistories: { __typename: 'StateConflict', ...refusal } } };
    },
  };
}

test('a query exports page after page, and says what it left out', async () => {
  const io = fakeIo(estate(230));
  const words = ['state=failed', 'environment=dev', 'limit=150'];
  expect(await runCli(['history', 'export', ...words, '--to', root, '--json'], io)).toBe(0);
  const { saved, skipped, isMore } = JSON.parse(io.outText());
  // dev/230 down to dev/81: 15 whose histories were removed, and of the others those that 7 divides.
  expect(saved).toHaveLength(readdirSync(root).length);
  expect(saved.length + skipped.length).toBe(135);
  expect(saved[0].promotion).toBe('dev/229');
  expect(skipped[0].reason).toContain('is gone');
  expect(isMore).toBe(true);
  const pages = io.asked.filter(([name]) => name === 'promotionsWithHistories');
  expect(pages.map(([, variables]) => variables)).toEqual([
    { first: 100, after: null, filter: { states: ['FAILED'], environment: 'dev' } },
    { first: 50, after: '100', filter: { states: ['FAILED'], environment: 'dev' } },
  ]);
});

test('a terminal sees how far it is', async () => {
  const person = { terminal: { columns: 80, rows: 24 } };
  const io = fakeIo(estate(5), undefined, person);
  expect(await runCli(['history', 'export', 'environment=dev', '--to', root], io)).toBe(0);
  expect(io.errText()).toContain('Fetching histories: 1 of 5 promotions');
  expect(io.errText().endsWith('\r\u001b[K')).toBe(true);
  const one = fakeIo(estate(7));
  expect(await runCli(['history', 'export', 'environment=dev', '--to', root], one)).toBe(0);
  expect(one.outText()).toContain('Left out, 1 promotion:\n  dev/7: The history of dev/7 is gone');
  expect(one.errText()).toBe('');
});

test.each([
  [['history', 'export', 'xx', '--to', 'x'], 2, 'promotion-reference-invalid'],
  [['history', 'export', 'dev/1', 'state=failed', '--to', 'x'], 2, 'query-mixed'],
  [['history', 'export', 'state=odd', '--to', 'x'], 2, 'query-invalid'],
  [['history', 'export', 'dev/1'], 2, 'usage'],
  [['history', 'export', 'dev/1', '--to', '/dev/null/x'], 2, 'file-unwritable'],
  [['history', 'list', 'dev'], 2, 'promotion-reference-invalid'],
])('%j ends with status %i', async (args, status, code) => {
  const io = fakeIo();
  expect(await runCli([...args, '--json'], io)).toBe(status);
  expect(errorOf(io.outText()).code).toBe(code);
  expect(existsSync('x')).toBe(false);
});

test('a query that finds nothing, and a single promotion without a history, are errors', async () => {
  const histories = [{ runId: 'r', expiredAt: '2026-11-01T00:00:00Z' }];
  const edges = [{ node: { id: 'dev/1', state: 'FAILED', histories } }];
  const pageInfo = { hasNextPage: false, endCursor: null };
  const io = fakeIo({
    promotionsWithHistories: () => ({ data: { promotions: { edges, pageInfo } } }),
  });
  const args = ['history', 'export', 'environment=dev', '--to', root, '--json'];
  expect(await runCli(args, io)).toBe(1);
  expect(errorOf(io.outText()).code).toBe('no-history-found');
  const refusal = {
    __typename: 'StateConflict',
    code: 'history-not-archived',
    message: 'Not yet.',
  };
  const single = fakeIo({ exportHistories: () => ({ data: { exportHistories: refusal } }) });
  expect(await runCli(['history', 'export', 'dev/1', '--to', root, '--json'], single)).toBe(1);
  expect(errorOf(single.outText()).code).toBe('history-not-archived');
});

test('--bundles writes the kept code beside the histories', async () => {
  const code = 'code();';
  const bundle = {
    digest: digestOf(code),
    buildId: 'b1',
    sdkVersion: '1',
    size: 7,
    firstSeenAt: 'x',
  };
  const io = fakeIo({
    exportHistories: () => exported([document('dev-1.r1.json')]),
    workflowBundles: () => ({ data: { workflowBundles: [bundle] } }),
    workflowCode: () => ({
      data: { workflowCode: { bundle, content: gzipSync(code).toString('base64') } },
    }),
  });
  expect(await runCli(['history', 'export', 'dev/1', '--to', root, '--bundles'], io)).toBe(0);
  expect(io.outText()).toContain('1 build of workflow code');
  const name = bundle.digest.slice(7);
  expect(readdirSync(join(root, 'bundles')).sort()).toEqual(
    [`${name}.js`, `${name}.json`, 'bundles.json'].sort(),
  );
  expect(readFileSync(join(root, 'bundles', `${name}.js`), 'utf8')).toBe(code);
});

test('kept code that lies there already is looked at, and nothing is written through links', async () => {
  const code = 'code();';
  const digest = digestOf(code);
  const bundle = { digest, buildId: 'b1', sdkVersion: '1', size: 7, firstSeenAt: 'x' };
  const io = fakeIo({
    exportHistories: () => exported([document('dev-1.r1.json')]),
    workflowBundles: () => ({ data: { workflowBundles: [bundle] } }),
    workflowCode: () => ({
      data: { workflowCode: { bundle, content: gzipSync(code).toString('base64') } },
    }),
  });
  const to = join(root, 'to');
  const bundles = join(to, 'bundles');
  const path = join(bundles, `${digest.slice(7)}.js`);
  const elsewhere = join(root, 'elsewhere');
  const run = () => runCli(['history', 'export', 'dev/1', '--to', to, '--bundles'], io);
  mkdirSync(bundles, { recursive: true });
  writeFileSync(path, 'another();');
  expect(await run()).toBe(0);
  expect(readFileSync(path, 'utf8')).toBe(code);
  // Right as they are, but they can be changed from elsewhere.
  for (const name of [`${digest.slice(7)}.js`, `${digest.slice(7)}.json`, 'bundles.json']) {
    rmSync(join(bundles, name));
    writeFileSync(elsewhere, code);
    symlinkSync(elsewhere, join(bundles, name));
    if (name.endsWith('.json')) rmSync(path, { force: true });
    expect(await run()).toBe(0);
    expect(lstatSync(join(bundles, name)).isFile()).toBe(true);
    expect(readFileSync(elsewhere, 'utf8')).toBe(code);
  }
  rmSync(bundles, { recursive: true });
  mkdirSync(join(root, 'other'));
  symlinkSync(join(root, 'other'), bundles);
  expect(await run()).toBe(2);
  expect(readdirSync(join(root, 'other'))).toEqual([]);
});
