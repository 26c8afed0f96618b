import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { parsePipeline } from '@sluice/pipeline';
import { fakeIo } from './fake-io.ts';
import { runCli } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-pipelines-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const BASE = file(
  'base.yaml',
  `schema: sluice.pipeline/v2
name: base
version: 1
parameters:
  seconds: {schema: {type: integer, minimum: 1, maximum: 600}}
  note: {schema: {type: string}, default: hello}
steps:
  - {id: gate, type: gate@1}
  - {id: plan, type: plan@1, needs: [gate]}
  - {id: deploy, type: deploy@1, needs: [plan]}
  - {id: soak, type: soak@1, needs: [deploy], inputs: {seconds: {ref: parameters.seconds}}}
environments:
  production:
    parameters: {seconds: 300}
    steps:
      - {id: deploy, timeoutSeconds: 900}
`,
);
const EXTENDING = file(
  'extending.yaml',
  `schema: sluice.pipeline/v2
name: extending
version: 2
extends: {name: base, version: 1}
steps:
  - {id: verify, type: verify@1, needs: [deploy]}
`,
);

async function run(args: readonly string[], columns?: number) {
  const person = columns === undefined ? undefined : { terminal: { columns, rows: 24 } };
  const io = fakeIo({}, {}, person);
  const status = await runCli(['pipeline', ...args], io);
  expect(io.asked).toEqual([]);
  return { status, out: io.outText(), err: io.errText() };
}

test('render gives the resolved pipeline with origins, and it is a pipeline again', async () => {
  const { status, out, err } = await run(['render', BASE, '--environment', 'production']);
  expect([status, err]).toEqual([0, '']);
  expect(out).toMatch(/timeoutSeconds: 900 +# environment production of base@1\n/);
  expect(out).toMatch(/seconds: +# environment production of base@1\n/);
  expect(parsePipeline(out).ok).toBe(true);
  const { out: json } = await run(['render', BASE, '--parameter', 'seconds=60', '--json']);
  expect(JSON.parse(json)).toMatchObject({
    pipeline: {
      name: 'base',
      parameters: { seconds: { default: 60 }, note: { default: 'hello' } },
    },
    digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
    origins: { 'parameters.seconds': 'given' },
    problems: [],
  });
});

test('a parameter is a text where it is declared as one, JSON otherwise', async () => {
  const args = ['render', BASE, '--json', '--parameter', 'seconds=60', '--parameter', 'note=5=6'];
  const { out } = await run(args);
  const { pipeline } = JSON.parse(out) as { pipeline: { parameters: Record<string, unknown> } };
  expect(pipeline.parameters).toMatchObject({ seconds: { default: 60 }, note: { default: '5=6' } });
  const wrong = [['seconds=soon'], ['seconds'], ['=5'], ['seconds=1', '--parameter', 'seconds=2']];
  for (const words of wrong) {
    const refused = await run(['render', BASE, '--json', '--parameter', ...words]);
    expect(refused.status).toBe(2);
    expect(JSON.parse(refused.out)).toMatchObject({ error: { code: 'option-invalid' } });
  }
});

test('what stands in the way has its place in the text', async () => {
  const missing = await run(['render', BASE]);
  expect([missing.status, missing.out]).toEqual([1, '']);
  expect(missing.err).toContain(`${BASE}:5:3: error: `);
  expect(missing.err).toContain('[parameter-missing]\n');
  expect(missing.err).toContain('  help: Add --parameter seconds=VALUE.\n');
  const unknown = await run(['render', BASE, '--parameter', 'secnods=1', '--json']);
  expect(unknown.status).toBe(1);
  expect(JSON.parse(unknown.out)).toMatchObject({
    files: [
      {
        file: BASE,
        pipeline: 'base@1',
        problems: [
          { code: 'parameter-unknown', suggestion: 'Write seconds.', at: { line: 4, column: 1 } },
          { code: 'parameter-missing', at: { line: 5, column: 3 } },
        ],
      },
    ],
    errors: 2,
  });
});

test('what a pipeline builds on comes with --with, and is asked for otherwise', async () => {
  const args = ['render', EXTENDING, '--environment', 'production'];
  const alone = await run(args);
  expect(alone.status).toBe(1);
  expect(alone.err).toContain(`${EXTENDING}:4:10: error: `);
  expect(alone.err).toContain('help: Name its file, or its folder, on the command line too.');
  const { status, out, err } = await run([...args, '--with', folder]);
  expect([status, err]).toEqual([0, '']);
  expect(out).toMatch(/id: soak +# base@1\n/);
  expect(out).toMatch(/id: verify +# extending@2\n/);
});

test('a broken file beside what is needed is left out, and two of one version are refused', async () => {
  const broken = file('broken.yml', 'schema: [');
  const args = ['explain', EXTENDING, '--parameter', 'seconds=5', '--with', BASE];
  const { status, err } = await run([...args, '--with', broken]);
  expect(status).toBe(0);
  expect(err.replaceAll(/\s+/g, ' ')).toContain(`${broken} has errors and was left out`);
  rmSync(broken);
  const twin = file(
    'twin.txt',
    'schema: sluice.pipeline/v2\nname: base\nversion: 1\nsteps: [{id: n, type: noop@1}]\n',
  );
  expect((await run([...args, '--with', twin])).status).toBe(2);
});

test('an environment that nothing names is said, for it may be a typing error', async () => {
  const args = ['explain', BASE, '--parameter', 'seconds=5', '--environment', 'prodution'];
  const { status, err } = await run(args);
  expect(status).toBe(0);
  expect(err.replaceAll(/\s+/g, ' ')).toContain(
    'prodution: it changes nothing (named are: production)',
  );
});

test('explain takes the width of the terminal, or the one that is asked for', async () => {
  const args = ['explain', BASE, '--environment', 'production'];
  const widest = (text: string) => Math.max(...text.split('\n').map((line) => line.length));
  const { status, out } = await run(args, 44);
  expect(status).toBe(0);
  expect(out).toContain('deploy@1');
  expect(widest(out)).toBeLessThanOrEqual(44);
  expect(widest((await run([...args, '--width', '50'], 200)).out)).toBeLessThanOrEqual(50);
  const { out: ascii } = await run([...args, '--ascii']);
  expect(ascii).toMatch(/^[ -~\n]+$/);
  for (const width of ['39', '401', 'wide']) {
    expect((await run([...args, '--width', width])).status).toBe(2);
  }
});

test('explain draws Mermaid, and has both in its document', async () => {
  const args = ['explain', BASE, '--environment', 'production'];
  const { out } = await run([...args, '--mermaid']);
  expect(out).toMatch(/^flowchart TD\n/);
  const document = JSON.parse((await run([...args, '--json'])).out);
  expect(document).toMatchObject({ pipeline: 'base@1', mermaid: out, problems: [] });
  expect(document.drawing).toMatch(/^base@1\n/);
  expect((await run([...args, '--mermaid', '--ascii'])).status).toBe(2);
});

test('what is drawn and would not be taken is said', async () => {
  const path = file(
    'wrong.yaml',
    'schema: sluice.pipeline/v2\nname: wrong\nversion: 1\nsteps: [{id: soak, type: soak@1, inputs: {seconds: long}}]\n',
  );
  const { status, out, err } = await run(['explain', path]);
  expect(status).toBe(0);
  expect(out).toContain('soak@1');
  expect(err.replaceAll(/\s+/g, ' ')).toBe(
    `${path} has 1 error: sluice pipeline validate ${path} says which. `,
  );
  rmSync(path);
});

test('diff has the status of diff', async () => {
  const changed = file(
    'changed.txt',
    'schema: sluice.pipeline/v2\nname: base\nversion: 2\nextends: {name: base, version: 1}\nsteps: [{id: deploy, timeoutSeconds: 60}]\n',
  );
  const args = ['--parameter', 'seconds=5', '--with', BASE];
  const different = await run(['diff', BASE, changed, ...args]);
  expect(different.status).toBe(1);
  expect(different.out).toMatch(/^Without an environment:\nbase@1 → base@2\n/);
  expect(different.out).toMatch(/\nIn production:\nbase@1 → base@2\nNo difference but/);
  expect(different.out).toContain('timeoutSeconds  300 → 60');
  const document = JSON.parse((await run(['diff', BASE, changed, ...args, '--json'])).out);
  expect(document).toMatchObject({
    same: false,
    scope: 'course',
    before: { version: 1 },
    after: { version: 2 },
    changed: [{ id: 'deploy' }],
  });
  // Production says it of both: nothing is left of the change.
  const same = await run(['diff', BASE, changed, ...args, '--environment', 'production']);
  expect([same.status, same.out.includes('No difference but name or version.')]).toEqual([0, true]);
  expect((await run(['diff', BASE, changed])).status).toBe(2);
  expect((await run(['diff', BASE, join(folder, 'nothing.yaml'), ...args])).status).toBe(2);
  expect((await run(['diff', '-', '-'])).status).toBe(2);
});

test('diff compares in every environment that one side names', async () => {
  const text = (version: number, seconds: number) =>
    `schema: sluice.pipeline/v2
name: envs
version: ${version}
parameters:
  note: {schema: {type: string}}
steps:
  - {id: soak, type: soak@1, inputs: {seconds: 5}}
environments:
  production:
    parameters: {note: x}
    steps: [{id: soak, inputs: {seconds: ${seconds}}}]
  test: {parameters: {note: y}}
`;
  const [before, after] = [file('envs-1.txt', text(1, 5)), file('envs-2.txt', text(2, 9))];
  const given = ['--parameter', 'note=n'];
  const { status, out } = await run(['diff', before, after, ...given]);
  expect(status).toBe(1);
  expect(out).toMatch(/^Without an environment, in test:\nenvs@1 → envs@2\nNo difference but name/);
  expect(out).toMatch(/\nIn production:\nenvs@1 → envs@2\n[^]+inputs\.seconds {2}5 → 9\n/);
  const { out: json } = await run(['diff', before, after, ...given, '--json']);
  expect(JSON.parse(json)).toMatchObject({
    same: false,
    scope: 'effects',
    changed: [],
    environments: [
      { environment: null, same: true },
      { environment: 'production', same: false, changed: [{ id: 'soak' }] },
      { environment: 'test', same: true },
    ],
  });
  const one = await run(['diff', before, after, ...given, '--environment', 'test']);
  expect([one.status, one.out]).toEqual([
    0,
    'envs@1 → envs@2\nNo difference but name or version.\n',
  ]);
  // What only environments give need not be given for them.
  const without = await run(['diff', before, after]);
  expect(without.status).toBe(1);
  expect(without.out).toMatch(/^In production:\n/);
  expect(without.err.replaceAll(/\s+/g, ' ')).toContain('lacks values for note.');
});

test('steps lists the types, and tells all of one', async () => {
  const { out } = await run(['steps']);
  for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  expect(out).toMatch(/^TYPE +EFFECT +UNDONE +DOES\n/);
  expect(out).toMatch(/\ndeploy@1 +exactly-once +yes +Has the agent/);
  const { out: one } = await run(['steps', 'script']);
  expect(await run(['steps', 'script@1'])).toMatchObject({ out: one });
  expect(one).toContain('exactly one of source, file');
  expect(one).toContain(
    'timeout       10 min, or a minute more than limits.seconds says; at most 1 d',
  );
  expect(one).toMatch(/\ncompensation {2}Runs undo/);
  for (const line of one.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  const all = JSON.parse((await run(['steps', '--json'])).out) as { type: string }[];
  expect(all.map(({ type }) => type)).toContain('pipeline');
  expect(JSON.parse((await run(['steps', 'deploy', '--json'])).out)).toMatchObject({
    type: 'deploy',
    effect: 'exactly-once',
    compensation: { timeoutSeconds: 300 },
  });
  const unknown = await run(['steps', 'deplyo', '--json']);
  expect(unknown.status).toBe(2);
  expect(JSON.parse(unknown.out)).toMatchObject({ error: { code: 'step-type-unknown' } });
});

test('every step type can be told', async () => {
  const all = JSON.parse((await run(['steps', '--json'])).out) as { type: string }[];
  for (const { type } of all) {
    const { status, out } = await run(['steps', type]);
    expect([type, status]).toEqual([type, 0]);
    expect(out).not.toMatch(/undefined|NaN|`/);
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  }
});

test('schema is the published one, for editors', async () => {
  const { status, out } = await run(['schema']);
  expect(status).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ $id: 'urn:sluice:schema:pipeline:v2' });
});
