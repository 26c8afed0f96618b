import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { parsePipeline } from '@sluice/pipeline';
import { fakeIo } from './fake-io.ts';
import { runCli } from './run-cli.ts';

const folder = fileURLToPath(new URL('../../../examples/pipelines/', import.meta.url));
const names = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
const environments = [undefined, 'development', 'production'];

async function run(args: readonly string[]) {
  const io = fakeIo({}, {});
  const status = await runCli(['pipeline', ...args], io);
  return { status, out: io.outText(), err: io.errText() };
}

function inEnvironment(environment: string | undefined): readonly string[] {
  return environment === undefined ? [] : ['--environment', environment];
}

test('there are five, and the folder has no error and no warning', async () => {
  expect(names).toHaveLength(5);
  expect(await run(['validate', '--strict', folder])).toMatchObject({
    status: 0,
    out: '5 files: no errors\n',
  });
});

test.each(names)('%s renders to a pipeline that is without fault itself', async (name) => {
  for (const environment of environments) {
    const { status, out } = await run(['render', folder + name, ...inEnvironment(environment)]);
    expect([environment, status]).toEqual([environment, 0]);
    expect(parsePipeline(out).ok).toBe(true);
  }
});

test.each(names)(
  '%s is drawn within 80 columns, all of its steps and nothing cut',
  async (name) => {
    for (const environment of environments) {
      const args = ['explain', folder + name, ...inEnvironment(environment), '--json'];
      const { status, out } = await run(args);
      expect(status).toBe(0);
      const { drawing, problems } = JSON.parse(out) as { drawing: string; problems: unknown[] };
      expect(problems).toEqual([]);
      for (const line of drawing.split('\n')) {
        expect(line.length).toBeLessThanOrEqual(80);
        expect(line).not.toContain('…');
      }
      const { out: rendered } = await run([
        'render',
        folder + name,
        ...inEnvironment(environment),
        '--json',
      ]);
      const { pipeline } = JSON.parse(rendered) as { pipeline: { steps: { id: string }[] } };
      for (const { id } of pipeline.steps) expect(drawing).toMatch(new RegExp(` ${id} +\\w+@1 `));
      // Layers have numbers, steps nodes: a graph that is too wide would be listed instead.
      expect(drawing).toMatch(/\n {2}1 {2}●/);
    }
  },
);

test.each(names)('%s names the schema that editors check it by', (name) => {
  const [first] = readFileSync(folder + name, 'utf8').split('\n');
  expect(first).toBe(
    '# yaml-language-server: $schema=../../libs/pipeline/schema/pipeline.schema.json',
  );
});

test('the page about them tells of each', () => {
  const page = readFileSync(`${folder}README.md`, 'utf8');
  for (const name of names) expect(page).toContain(`\`${name}\``);
});
