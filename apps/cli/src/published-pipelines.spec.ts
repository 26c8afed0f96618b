import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { BUILT_IN_STEP_TYPES, parsePipeline, renderPipeline } from '@sluice/pipeline';
import { type FakeAnswers, fakeIo } from './fake-io.ts';
import { runCli } from './run-cli.ts';

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
const text = (name: string, more = ''): string => `schema: sluice.pipeline/v2
name: ${name}
version: 1
${more}steps:
  - { id: scan, type: scan@1 }
  - { id: pause, type: wait@1, needs: [scan], inputs: { seconds: 5 } }
`;

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-published-'));
  await writeFile(
    join(folder, 'a-child.yaml'),
    text('child', 'extends: { name: parent, version: 1 }\n'),
  );
  await writeFile(join(folder, 'b-parent.yaml'), text('parent'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

function resolved(name: string, seconds = 5) {
  const parsed = parsePipeline(text(name).replace('seconds: 5', `seconds: ${seconds}`));
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const rendered = renderPipeline(parsed.template, {
    pipelines: new Map(),
    stepTypes: BUILT_IN_STEP_TYPES,
  });
  if (!rendered.ok) throw new Error(JSON.stringify(rendered.problems));
  const document = rendered.pipeline;
  return {
    __typename: 'ResolvedPipeline',
    name,
    version: 1,
    digest,
    document,
    mermaid: 'flowchart TD\n',
  };
}

const published = (name: string, isNew = true) => ({
  publishPipeline: {
    __typename: 'PublishedPipeline',
    published: isNew,
    pipeline: { id: `${name}@1`, name, version: 1, digest },
    warnings: [],
  },
});

const problem = {
  code: 'step-need-unknown',
  severity: 'ERROR',
  path: 'steps.pause.needs.0',
  line: 6,
  column: 44,
  message: 'Step pause needs scna, and there is no such step.',
  suggestion: 'Write scan.',
};
const invalid = {
  __typename: 'PipelineInvalid',
  code: 'pipeline-invalid',
  message: 'The pipeline has 2 errors.',
  problems: [problem, { ...problem, code: 'parameter-missing', message: 'Give it one.' }],
  problemCount: 2,
};

test('files are published one after the other, what others need first', async () => {
  const sent: string[] = [];
  const io = fake({
    publishPipeline: ({ input }) => {
      const name = /name: (\w+)\n/.exec((input as { text: string }).text)?.[1] ?? '';
      sent.push(name);
      return published(name, name === 'parent');
    },
  });
  expect(await runCli(['pipeline', 'publish', folder], io)).toBe(0);
  expect(sent).toEqual(['parent', 'child']);
  expect(io.outText()).toBe(
    `parent@1  published  ${digest}\nchild@1  was published before, and is the same  ${digest}\n`,
  );
});

test('what is refused is shown at its place, and the other files go on', async () => {
  const io = fake({
    publishPipeline: ({ input }) =>
      (input as { text: string }).text.includes('name: parent\n')
        ? { publishPipeline: invalid }
        : published('child'),
  });
  expect(await runCli(['pipeline', 'publish', folder], io)).toBe(1);
  expect(io.errText()).toContain('b-parent.yaml:6:44: error: Step pause needs scna');
  expect(io.errText()).toContain('help: Write scan.');
  expect(io.errText()).toContain('not published: 2 errors');
  expect(io.outText()).toContain('child@1  published');
  const json = fake({ publishPipeline: () => ({ publishPipeline: invalid }) });
  const file = join(folder, 'b-parent.yaml');
  expect(await runCli(['--json', 'pipeline', 'publish', file], json)).toBe(1);
  expect(JSON.parse(json.outText()).results[0]).toMatchObject({
    outcome: 'refused',
    problems: [{ code: 'step-need-unknown', at: { line: 6, column: 44 } }, {}],
  });
  const key = fake({});
  expect(await runCli(['pipeline', 'publish', folder, '--idempotency-key', 'x'], key)).toBe(2);
});

const pipeline = {
  id: 'sample@2',
  name: 'sample',
  version: 2,
  digest,
  description: 'Scans \u001b[31mand waits',
  builtIn: false,
  stepCount: 2,
  publishedBy: 'anna',
  publishedAt: '2030-01-01T00:00:00.000Z',
  environments: [{ name: 'dev' }],
};

test('the list says who made a pipeline and where it runs', async () => {
  const io = fake({
    pipelines: () => ({
      pipelines: {
        edges: [{ node: pipeline }, { node: { ...pipeline, id: 'standard@2', builtIn: true } }],
        pageInfo: { hasNextPage: true, endCursor: 'next' },
      },
    }),
  });
  expect(await runCli(['pipeline', 'list'], io)).toBe(0);
  expect(io.outText()).toMatch(/sample@2 +2 +anna +dev +Scans \?\[31mand waits/);
  expect(io.outText()).toContain('Sluice');
  expect(io.outText()).toContain('More: --after next');
});

const whole = {
  ...pipeline,
  document: {},
  parameters: [{ name: 'region', schema: { type: 'string' }, required: true, default: null }],
  versions: [2, 1].map((version) => ({ version, digest, publishedBy: null, publishedAt: '' })),
};

test('a pipeline is shown with its versions and its drawing, or says why it is not drawn', async () => {
  const answers: FakeAnswers = {
    pipeline: () => ({ pipeline: whole }),
    resolvePipeline: () => ({ resolvePipeline: resolved('sample') }),
  };
  const io = fake(answers);
  const line = ['pipeline', 'show', 'sample', '--parameter', 'region=5'];
  expect(await runCli(line, io)).toBe(0);
  expect(io.asked.at(-1)?.[1]).toMatchObject({ parameters: { region: '5' }, pipeline: 'sample@2' });
  expect(io.outText()).toMatch(/versions +2, 1/);
  expect(io.outText()).toMatch(/region +string +must be given/);
  expect(io.outText()).toContain('○  pause  wait@1');
  const mermaid = fake(answers);
  expect(await runCli(['pipeline', 'show', 'sample@2', '--mermaid'], mermaid)).toBe(0);
  expect(mermaid.outText()).toBe('flowchart TD\n');
  const undrawn = fake({ ...answers, resolvePipeline: () => ({ resolvePipeline: invalid }) });
  expect(await runCli(['pipeline', 'show', 'sample'], undrawn)).toBe(0);
  expect(undrawn.outText()).toContain('Not drawn: The pipeline has 2 errors.');
  const none = fake({ pipeline: () => ({ pipeline: null }) });
  expect(await runCli(['pipeline', 'show', 'sample'], none)).toBe(1);
  expect(await runCli(['pipeline', 'show', './sample.yaml'], fake())).toBe(2);
});

test('two versions are compared with the status of diff', async () => {
  const side = (seconds: number) => resolved('sample', seconds);
  const answer = (seconds: number) => ({
    comparePipelines: { __typename: 'PipelineDifference', before: side(5), after: side(seconds) },
  });
  const io = fake({ comparePipelines: () => answer(9) });
  expect(await runCli(['pipeline', 'compare', 'sample@1', 'sample'], io)).toBe(1);
  expect(io.outText()).toContain('inputs.seconds');
  const same = fake({ comparePipelines: () => answer(5) });
  expect(await runCli(['pipeline', 'compare', 'sample@1', 'sample'], same)).toBe(0);
  const none = fake({
    comparePipelines: () => ({
      comparePipelines: { __typename: 'NotFound', code: 'pipeline-unknown', message: 'None.' },
    }),
  });
  expect(await runCli(['pipeline', 'compare', 'a', 'b'], none)).toBe(1);
  expect(none.errText()).toBe('None.\n');
});

const step = {
  id: 'deploy',
  type: 'deploy@1',
  description: null,
  title: 'Has the agent of each target activate the release as planned.',
  kind: 'MATRIX',
  layer: 1,
  needs: [],
  condition: null,
  if: 'parameters.go',
  skipped: true,
  asks: null,
  members: Array.from({ length: 100 }, (_, at) => `host-${at}`),
  memberCount: 10_000,
  membersFrom: null,
  maxParallel: 50,
  timeoutSeconds: 300,
  attempts: 2,
  longestSeconds: 120_000,
  concurrencyGroup: null,
  continueOnFailure: false,
  undoes: 'Puts each target back.',
  guarantee: 'exactly-once',
};
const preview = {
  __typename: 'PromotionPreview',
  environment: { name: 'prod' },
  release: { id: digest, name: 'shop', version: '1.2.0' },
  pipeline: resolved('sample'),
  steps: [
    step,
    {
      ...step,
      id: 'each',
      layer: 0,
      members: null,
      memberCount: null,
      membersFrom: 'steps.a.outputs.b',
    },
  ],
  targets: [
    { target: { name: 'host-0', address: '10.0.0.1', currentRelease: null }, steps: ['deploy'] },
  ],
  approval: null,
  deadlineSeconds: 3600,
  blockers: [],
};
const release = {
  id: digest,
  name: 'shop',
  version: '1.2.0',
  createdBy: 'm',
  createdAt: '',
  components: [],
};

test('a dry run draws, says what happens to which targets, and asks for nothing', async () => {
  const answers: FakeAnswers = {
    releaseByVersion: () => ({ releaseByVersion: release }),
    environmentPipeline: () => ({ environment: { pipeline: 'sample', pipelineVersion: 2 } }),
    pipeline: () => ({ pipeline: whole }),
    previewPromotion: () => ({ previewPromotion: preview }),
  };
  for (const line of [
    ['pipeline', 'run', '--dry', 'prod', 'shop@1.2.0'],
    ['promote', 'prod', 'shop@1.2.0', '--dry'],
    ['promotion', 'request', 'shop@1.2.0', 'prod', '--dry'],
  ]) {
    const io = fake(answers);
    expect(await runCli([...line, '--parameter', 'region=1', '--parameter', 'count=1'], io)).toBe(
      0,
    );
    expect(io.asked.at(-1)).toEqual([
      'previewPromotion',
      { environment: 'prod', release: digest, parameters: { region: '1', count: 1 } },
    ]);
    const out = io.outText().replace(/\s+/g, ' ');
    expect(out).toContain('Dry run: shop@1.2.0 to prod. Nothing was changed');
    expect(out).toContain('once for each of 10000, 50 at a time: host-0, host-1');
    expect(out).toContain('and 9988 more');
    expect(out).toContain('would be skipped, for this is false: parameters.go');
    expect(out).toContain('end each (deploy@1)');
    expect(out).toContain('once for each of steps.a.outputs.b, which is known only then');
    expect(out).toContain('1 target would be changed');
  }
  const blockers = [{ code: 'release-required', message: 'Name one.' }];
  const blocked = fake({
    previewPromotion: () => ({ previewPromotion: { ...preview, release: null, blockers } }),
  });
  expect(await runCli(['promote', 'prod', '--dry'], blocked)).toBe(1);
  expect(blocked.outText()).toContain('It would be refused now:\n  release-required: Name one.');
  expect(await runCli(['promote', 'prod', '--dry', '--watch'], fake())).toBe(2);
  expect(await runCli(['pipeline', 'run', 'prod'], fake())).toBe(2);
});

test('a pipeline that can not be run like this is told problem by problem', async () => {
  const io = fake({ requestPromotion: () => ({ requestPromotion: invalid }) });
  expect(await runCli(['promote', 'dev'], io)).toBe(1);
  expect(io.errText()).toContain('error: steps.pause.needs.0: Step pause needs scna');
  expect(io.errText()).toContain('[parameter-missing]');
  expect(io.errText()).toContain('The pipeline has 2 errors.');
  const json = fake({ requestPromotion: () => ({ requestPromotion: invalid }) });
  expect(await runCli(['promote', 'dev', '--json'], json)).toBe(1);
  expect(JSON.parse(json.outText()).error).toMatchObject({
    code: 'pipeline-invalid',
    message: 'The pipeline has 2 errors. Give it one.',
  });
});

test.each([['x'], ['=5'], ['a=1', 'a=2']])('--parameter %s is a usage error', async (...given) => {
  const io = fake({
    environmentPipeline: () => ({ environment: null }),
  });
  const words = given.flatMap((word) => ['--parameter', word]);
  expect(await runCli(['promote', 'dev', ...words], io)).toBe(2);
});
