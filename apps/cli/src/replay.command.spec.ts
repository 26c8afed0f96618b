import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type FakeAnswers, fakeIo } from './fake-io.ts';
import type { NodeEnd, NodeRun } from './node-run.ts';
import { runCli } from './run-cli.ts';

let root: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'sluice replay ')));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const digestOf = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;
const errorOf = (text: string) => JSON.parse(text).error;
const code = 'workflowCode();';
const bundle = {
  digest: digestOf(code),
  buildId: '18a4bff6ae9792ab',
  sdkVersion: '1.23.0',
  size: 15,
  firstSeenAt: '2026-11-01T00:00:00.000Z',
};
const other = { ...bundle, digest: digestOf('other'), buildId: '18ffffffffffffff' };

const document = (run: string, workflow = 'promotion/acme/dev/1', form = 'json') => {
  const bytes = Buffer.from(`history ${run}`);
  return {
    fileName: `dev-1.${run}.${form}`,
    workflowId: workflow,
    runId: run,
    digest: digestOf(bytes.toString()),
    content: form === 'json' ? bytes.toString() : bytes.toString('base64'),
  };
};
const answers = (documents: object[] = [document('r1')]): FakeAnswers => ({
  exportHistories: () => ({
    data: { exportHistories: { __typename: 'ExportedHistories', form: 'REDACTED', documents } },
  }),
  workflowBundles: () => ({ data: { workflowBundles: [other, bundle] } }),
  workflowCode: ({ digest }) => ({
    data: {
      workflowCode:
        digest === bundle.digest ? { bundle, content: gzipSync(code).toString('base64') } : null,
    },
  }),
});
const offline = {};
const noToken: Readonly<Record<string, string>> = {};
/** What a program saw of its arguments and of the files that they name, which are gone afterwards. */
interface Seen {
  readonly run: NodeRun;
  readonly texts: readonly string[];
  readonly folder: string;
  readonly mode: number;
}
function watcher(end: Partial<NodeEnd> = {}) {
  const seen: Seen[] = [];
  const program = (run: NodeRun) => {
    const inputs = run.args.filter((arg) => /\/dev-1\.r\d\.(json|history)$/.test(arg));
    const folder = dirname(inputs[0] ?? root);
    const texts = inputs.map((path) => (existsSync(path) ? readFileSync(path, 'utf8') : ''));
    seen.push({ run, texts, folder, mode: statSync(folder).mode & 0o777 });
    return end;
  };
  return { seen, program };
}
const optionOf = (args: readonly string[], name: string) => args[args.indexOf(name) + 1];

test('a promotion is exported redacted into a folder of its own, replayed, and the folder is gone', async () => {
  const { seen, program } = watcher();
  const io = fakeIo(answers([document('r1'), document('r2')]), undefined, undefined, program);
  const args = ['replay', 'dev/1', '--inputs', '--workers', '2', '--junit', 'out.xml'];
  expect(await runCli([...args, '--reason', 'why'], io)).toBe(0);
  const [{ run, texts, folder, mode } = seen[0] as never] = seen;
  expect(run.program).toMatch(/apps\/replay\/dist\/main\.js$/);
  expect(run.args[0]).toBe('run');
  expect(texts).toEqual(['history r1', 'history r2']);
  expect(mode).toBe(0o700);
  expect(existsSync(folder)).toBe(false);
  expect(optionOf(run.args, '--bundles')).toBe(join(folder, 'bundles'));
  expect(run.args).toContain('--inputs');
  expect([optionOf(run.args, '--workers'), optionOf(run.args, '--junit')]).toEqual([
    '2',
    'out.xml',
  ]);
  expect(optionOf(run.args, '--format')).toBe('text');
  expect(run.args).not.toContain('--bundle');
  expect(io.asked[0]?.[1]).toMatchObject({
    input: { promotion: 'dev/1', form: 'REDACTED', reason: 'why' },
  });
});

test.each([
  [1, 1],
  [2, 2],
  [130, 130],
  [143, 130],
])('the tool ending with %i ends this with %i, and leaves nothing', async (status, expected) => {
  const { seen, program } = watcher({ status });
  const io = fakeIo(answers(), undefined, undefined, program);
  expect(await runCli(['replay', 'dev/1', '--json'], io)).toBe(expected);
  expect(existsSync(seen[0]?.folder ?? '')).toBe(false);
  expect(optionOf(seen[0]?.run.args ?? [], '--format')).toBe('json');
  // Its document is the tool's own.
  expect(io.outText()).toBe('');
});

test('a folder and a key need neither API nor token', async () => {
  writeFileSync(join(root, 'a.history'), 'x');
  const { seen, program } = watcher();
  const io = fakeIo(offline, noToken, undefined, program);
  const key = join(root, 'keys.txt');
  writeFileSync(key, 'x');
  expect(await runCli(['replay', root, '--key', key], io)).toBe(0);
  const [run] = io.runs;
  expect(run?.args).toEqual(['run', '--input', root, '--key', key, '--format', 'text']);
  expect(run?.answer).toBeUndefined();
  expect(seen).toHaveLength(1);
  mkdirSync(join(root, 'bundles'));
  writeFileSync(join(root, 'bundles', 'bundles.json'), '[]');
  expect(await runCli(['replay', root], io)).toBe(0);
  // A stranger's code that lies beside histories must not run because of where it lies.
  expect(io.runs[1]?.args).not.toContain('--bundles');
  expect(io.errText()).toContain(`not used unasked, for it would run: ${join(root, 'bundles')}\n`);
  const given = ['--bundles', join(root, 'bundles')];
  expect(await runCli(['replay', root, ...given], io)).toBe(0);
  expect(optionOf(io.runs[2]?.args ?? [], '--bundles')).toBe(join(root, 'bundles'));
  expect(io.errText().match(/not used/g)).toHaveLength(1);
  expect(io.asked).toEqual([]);
});

test('with a key, histories come encrypted', async () => {
  const { seen, program } = watcher();
  const encrypted = document('r1', 'promotion/acme/dev/1', 'history');
  const io = fakeIo(answers([encrypted]), undefined, undefined, program);
  const key = join(root, 'keys.txt');
  writeFileSync(key, 'x');
  expect(await runCli(['replay', 'dev/1', '--key', key], io)).toBe(0);
  expect(io.asked[0]?.[1]).toMatchObject({ input: { form: 'ENCRYPTED' } });
  expect(seen[0]?.texts).toEqual(['history r1']);
});

test('kept code comes when the tool asks for it, and only what is what its digest says', async () => {
  const replies: unknown[] = [];
  let text = '';
  const program = async ({ args, answer }: NodeRun) => {
    for (const wanted of [bundle.digest, other.digest, '../../etc/passwd', undefined]) {
      replies.push(await answer?.({ wanted }));
    }
    const folder = optionOf(args, '--bundles') ?? '';
    const list = JSON.parse(readFileSync(join(folder, 'bundles.json'), 'utf8'));
    expect(list.map(({ buildId }: { buildId: string }) => buildId)).toHaveLength(2);
    text = readFileSync(join(folder, `${bundle.digest.slice(7)}.js`), 'utf8');
    return {};
  };
  const io = fakeIo(answers(), undefined, undefined, program);
  expect(await runCli(['replay', 'dev/1'], io)).toBe(0);
  expect(replies.map((reply) => (reply as { ok: boolean }).ok)).toEqual([
    true,
    false,
    false,
    false,
  ]);
  expect(text).toBe(code);
});

test('--build tries the kept code of a build', async () => {
  const { seen, program } = watcher();
  const io = fakeIo(answers(), undefined, undefined, program);
  expect(await runCli(['replay', 'dev/1', '--build', '18a4'], io)).toBe(0);
  const path = optionOf(seen[0]?.run.args ?? [], '--bundle');
  expect(path).toMatch(new RegExp(`${bundle.digest.slice(7)}\\.js$`));
  for (const [build, status, reason] of [
    ['18', 2, 'build-ambiguous'],
    ['77', 1, 'build-not-kept'],
    [other.buildId, 1, 'bundle-not-kept'],
  ] as const) {
    const failing = fakeIo(answers(), undefined, undefined, program);
    expect(await runCli(['replay', 'dev/1', '--build', build, '--json'], failing)).toBe(status);
    expect(errorOf(failing.outText()).code).toBe(reason);
  }
});

test('--ref builds first, and replays what was built', async () => {
  const program = ({ program: path, args }: NodeRun) => {
    if (!path.endsWith('build-ref-main.js')) return {};
    const line = { bundle: `${optionOf(args, '--to')}/workflow-bundle.js` };
    return { stdout: `${JSON.stringify(line)}\n` };
  };
  const io = fakeIo(offline, noToken, undefined, program);
  expect(await runCli(['replay', root, '--ref', 'main'], io)).toBe(0);
  const [built, replayed] = io.runs;
  expect(built?.args.slice(0, 2)).toEqual(['--ref', 'main']);
  expect(optionOf(replayed?.args ?? [], '--bundle')).toMatch(/ref\/workflow-bundle\.js$/);
  const refuse = { status: 2, stdout: '{"error":{"code":"ref-unknown","message":"No such."}}' };
  const none = fakeIo(offline, noToken, undefined, () => refuse);
  expect(await runCli(['replay', root, '--ref', 'nowhere', '--json'], none)).toBe(2);
  expect(errorOf(none.outText())).toMatchObject({ code: 'ref-unknown', message: 'No such.' });
});

test('--inspect stops in the newest run of the promotion itself', async () => {
  const documents = [document('r1'), document('r2'), document('r3', 'settlement/acme/dev/1')];
  const { seen, program } = watcher();
  const io = fakeIo(answers(documents), undefined, undefined, program);
  expect(await runCli(['replay', 'dev/1', '--inspect'], io)).toBe(0);
  expect(seen[0]?.run.flags).toEqual(['--inspect-brk']);
  expect(seen[0]?.run.args.slice(0, 2)).toEqual(['inspect', '--input']);
  expect(seen[0]?.texts).toEqual(['history r2']);
});

test('promotion at shows an event of the newest run, or of a named one', async () => {
  const { seen, program } = watcher();
  const io = fakeIo(answers([document('r1'), document('r2')]), undefined, undefined, program);
  expect(await runCli(['promotion', 'at', 'dev/1', '17'], io)).toBe(0);
  expect(seen[0]?.run.args.slice(0, 2)).toEqual(['at', '--input']);
  expect(optionOf(seen[0]?.run.args ?? [], '--event')).toBe('17');
  expect(seen[0]?.texts).toEqual(['history r2']);
  expect(existsSync(seen[0]?.folder ?? '')).toBe(false);
  expect(io.errText()).toContain('Run r2, of 2');
  expect(await runCli(['promotion', 'at', 'dev/1', '3', '--run', 'r1', '--json'], io)).toBe(0);
  expect(seen[1]?.texts).toEqual(['history r1']);
  expect(optionOf(seen[1]?.run.args ?? [], '--format')).toBe('json');
  expect(await runCli(['promotion', 'at', 'dev/1', '3', '--run', 'r9'], io)).toBe(1);
  expect(await runCli(['promotion', 'at', 'dev/1', 'last'], io)).toBe(2);
});

test.each([
  [['replay', 'dev/1', '--bundle', 'a.js', '--ref', 'main'], 2, 'bundle-unclear'],
  [['replay', 'dev/1', '--workers', '0'], 2, 'option-invalid'],
  [['replay', 'dev/1', '--inspect', '--inputs'], 2, 'option-invalid'],
  [['replay', 'dev/1', '--bundle', '/nowhere.js'], 2, 'file-unreadable'],
  [['replay', 'dev/1', '--bundles', '/nowhere'], 2, 'file-unreadable'],
  [['replay', 'dev/1', '--key', '/nowhere.json'], 2, 'file-unreadable'],
  [['replay', 'dev/1', 'state=failed'], 2, 'query-mixed'],
  [['replay', 'dev/1', '.'], 2, 'replay-of-what'],
  [['replay', 'nothing'], 2, 'replay-of-what'],
  [['replay', '.', '.', '--inspect'], 2, 'option-invalid'],
  [['replay'], 2, 'usage'],
])('%j ends with status %i', async (args, status, expected) => {
  const io = fakeIo(answers(), undefined, undefined, () => ({}));
  expect(await runCli([...args, '--json'], io)).toBe(status);
  expect(errorOf(io.outText()).code).toBe(expected);
});

test('where the tool is not built, one line says so', async () => {
  const io = fakeIo(offline, noToken);
  expect(await runCli(['replay', root], io)).toBe(1);
  expect(io.errText().replaceAll(/\s+/g, ' ')).toMatch(
    /^The replay tool is not built: there is no .+main\.js\. Run npm run build .* again\. $/,
  );
});

test('of many, one that is damaged is said, and ends it with status 1 though all others are well', async () => {
  const refusal = {
    __typename: 'StateConflict',
    code: 'history-damaged',
    message: 'It is another.',
  };
  const good = answers().exportHistories;
  const exportHistories = (variables: Record<string, unknown>) => {
    const { promotion } = variables['input'] as { promotion: string };
    return promotion === 'dev/2' ? { data: { exportHistories: refusal } } : good?.(variables);
  };
  const io = fakeIo({ ...answers(), exportHistories }, undefined, undefined, () => ({}));
  expect(await runCli(['replay', 'dev/1', 'dev/2'], io)).toBe(1);
  expect(io.errText()).toContain('Left out, 1 promotion:\n  dev/2: It is another');
  expect(io.runs).toHaveLength(1);
  expect(await runCli(['history', 'export', 'dev/1', 'dev/2', '--to', root], io)).toBe(1);
});

test('without any archived history nothing is replayed', async () => {
  const refusal = {
    __typename: 'StateConflict',
    code: 'history-not-archived',
    message: 'Not yet.',
  };
  const io = fakeIo(
    { exportHistories: () => ({ data: { exportHistories: refusal } }) },
    undefined,
    undefined,
    () => ({}),
  );
  expect(await runCli(['replay', 'dev/1', 'dev/2', '--json'], io)).toBe(1);
  expect(errorOf(io.outText()).code).toBe('no-history-found');
  expect(io.runs).toEqual([]);
});
