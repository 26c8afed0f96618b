import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { DEFAULT_APPROVAL_RULE, type PipelineTemplate } from '@sluice/domain';
import { parsePipeline } from '@sluice/pipeline';
import { digestOf } from '@sluice/pure';
import { stringify } from 'yaml';
import type { ConfigurationError } from './configuration.ts';
import type { PublishedPipelines } from './judge-pipelines.ts';
import { loadConfiguration } from './load-configuration.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-configuration-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const STEPS = `steps:
  - { id: scan, type: scan@1 }
  - { id: gate, type: gate@1, needs: [scan] }
  - { id: plan, type: plan@1, needs: [gate] }
  - { id: deploy, type: deploy@1, needs: [plan] }
  - { id: verify, type: verify@1, needs: [deploy] }
`;
const ASKING = STEPS.replace('deploy@1, needs: [plan]', 'deploy@1, needs: [ask]').concat(
  '  - { id: ask, type: approval@1, needs: [plan] }\n',
);
const REGION = 'parameters:\n  region:\n    schema: { type: string, enum: [eu, us] }\n';

const pipeline = (name: string, version: number, body: string): string =>
  `schema: sluice.pipeline/v2\nname: ${name}\nversion: ${version}\n${body}`;

/** What is published elsewhere. */
function published(...texts: readonly string[]): PublishedPipelines {
  const all = texts.map((text): PipelineTemplate => {
    const parsed = parsePipeline(text);
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    return parsed.template;
  });
  return {
    find: async (name, version) => {
      const found = all
        .filter((each) => each.name === name && (version === null || each.version === version))
        .sort((a, b) => b.version - a.version)[0];
      return found && { name, version: found.version, pipelineDigest: digestOf(found) };
    },
    library: async () => new Map(all.map((each) => [`${each.name}@${each.version}`, each])),
  };
}

/** Reads a configuration of one environment with these pipelines. */
async function load(
  environment: Readonly<Record<string, unknown>>,
  files: Readonly<Record<string, string>>,
  known = published(),
  more: Readonly<Record<string, unknown>> = {},
) {
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const file = join(folder, 'sluice.config.yaml');
  const text = stringify({
    schema: 'sluice.config/v1',
    tenant: 'acme',
    pipelines: Object.keys(files),
    environments: [{ name: 'dev', position: 1, policy: 'release-gate', ...environment }],
    ...more,
  });
  await writeFile(file, text);
  return loadConfiguration(file, [{ name: 'release-gate', digest: digestOf(1) }], () => known);
}

async function problemsOf(...given: Parameters<typeof load>): Promise<readonly string[]> {
  try {
    await load(...given);
    return [];
  } catch (error) {
    return (error as ConfigurationError).problems.map(
      ({ path, what, how }) => `${path}: ${what}; ${how}`,
    );
  }
}

test('a pipeline of the file is taken by its name or version, with parameters', async () => {
  const files = { 'a.yaml': pipeline('rollout', 3, REGION + STEPS) };
  const parameters = { region: 'eu' };
  const newest = await load({ pipeline: 'rollout', parameters }, files);
  expect(newest.pipelines.map(({ name, version }) => `${name}@${version}`)).toEqual(['rollout@3']);
  expect(newest.environments[0]).toMatchObject({
    pipeline: 'rollout',
    pipelineParameters: parameters,
    approval: null,
  });
  const pinned = await load({ pipeline: 'rollout@3', parameters }, files);
  expect(pinned.environments[0]).toMatchObject({ pipeline: 'rollout', pipelineVersion: 3 });
});

test('where the pipeline asks people, the environment has the rule that is given, and no other', async () => {
  const files = { 'a.yaml': pipeline('rollout', 1, ASKING) };
  const [asked] = (await load({ pipeline: 'rollout' }, files)).environments;
  expect(asked?.approval).toBeNull();
  const approval = { count: 2 };
  const [ruled] = (await load({ pipeline: 'rollout', approval }, files)).environments;
  expect(ruled?.approval).toEqual({ ...DEFAULT_APPROVAL_RULE, count: 2 });
  const silent = { 'a.yaml': pipeline('rollout', 2, STEPS) };
  expect(await problemsOf({ pipeline: 'rollout', approval }, silent)).toEqual([
    'environments[0].approval: the pipeline rollout@2 asks nobody; remove it, or give the pipeline an approval step',
  ]);
});

test('a rollout moves requests of a router that its environment has, or the file is refused', async () => {
  const parameter = 'parameters:\n  router:\n    schema: { type: string, format: name }\n';
  const rolling = STEPS.replace(
    'deploy@1, needs: [plan] }',
    'rollout@1, needs: [plan], inputs: { strategy: blue-green, groupLabel: colour, router: { ref: parameters.router } } }',
  );
  const files = { 'a.yaml': pipeline('blue', 1, parameter + rolling) };
  const environment = { pipeline: 'blue', parameters: { router: 'edge' } };
  const router = { name: 'edge', environment: 'dev', kind: 'nginx', backend: 'web' };
  const judge = (routers: readonly object[]) =>
    problemsOf(environment, files, published(), { routers });
  expect(await judge([router])).toEqual([]);
  const said =
    'environments[0].pipeline: its step deploy moves requests of the router edge, and dev has no such one [router-unknown]; declare it under `routers`';
  expect(await judge([])).toEqual([`${said} (it has none), or name another`]);
  expect(await judge([{ ...router, name: 'other' }])).toEqual([
    `${said} (it has other), or name another`,
  ]);
});

test('everything that is wrong is told at once, with file, line and column', async () => {
  const problems = await problemsOf(
    { pipeline: 'nowhere', position: -1 },
    {
      'a.yaml': pipeline('rollout', 1, STEPS.replace('needs: [gate]', 'needs: [gaet]')),
      'b.yaml': pipeline('other', 1, 'steps: 5\n'),
      'c.yaml': pipeline('standard', 9, STEPS),
    },
  );
  expect(problems).toEqual([
    expect.stringMatching(/^environments\[0\]\.position: is -1/),
    expect.stringMatching(/^pipelines\[0\]: a\.yaml:7:\d+: .*gaet.* \[step-need-unknown\]; .*gate/),
    expect.stringMatching(/^pipelines\[1\]: b\.yaml:4:8: .*; /),
    'pipelines[2]: Sluice keeps the name standard for its own; give it another name',
    'environments[0].pipeline: there is no pipeline nowhere; add its file to `pipelines`, or publish it',
  ]);
});

test('what can not be read is said, and so is a file that is named twice', async () => {
  const file = join(folder, 'sluice.config.yaml');
  await writeFile(
    file,
    stringify({
      schema: 'sluice.config/v1',
      tenant: 'acme',
      pipelines: ['none.yaml', 'none.yaml', 5, '.'],
    }),
  );
  const error = await loadConfiguration(file, [], () => published()).catch((one: unknown) => one);
  const paths = (error as ConfigurationError).problems.map(({ path }) => path);
  expect(paths.sort()).toEqual([
    'pipelines[0]',
    'pipelines[1]',
    'pipelines[1]',
    'pipelines[2]',
    'pipelines[3]',
  ]);
});

test('parameters are judged by the pipeline; one that a promotion may give can be missing', async () => {
  const files = { 'a.yaml': pipeline('rollout', 1, REGION + STEPS) };
  expect(await problemsOf({ pipeline: 'rollout' }, files)).toEqual([]);
  expect(await problemsOf({ pipeline: 'rollout', parameters: { region: 'mars' } }, files)).toEqual([
    expect.stringMatching(/^environments\[0\]\.parameters\.region: .*\[parameter-invalid\]/),
  ]);
  expect(await problemsOf({ pipeline: 'rollout', parameters: { regoin: 'eu' } }, files)).toEqual([
    expect.stringMatching(
      /^environments\[0\]\.parameters\.regoin: .*\[parameter-unknown\]; region/,
    ),
  ]);
  expect(await problemsOf({ pipeline: 'standard', parameters: { a: 1 } }, files)).toEqual([
    'environments[0].parameters: the pipeline standard has none; remove them',
  ]);
});

test('a pipeline of the file has to fit into the deadline of the environment that runs it', async () => {
  const soak =
    'parameters:\n  soak: { schema: { type: integer, minimum: 1, maximum: 86400 }, default: 7200 }\n'.concat(
      STEPS,
      '  - { id: rest, type: wait@1, needs: [verify], inputs: { seconds: { ref: parameters.soak } } }\n',
    );
  const files = { 'a.yaml': pipeline('rollout', 1, soak) };
  const [problem, ...others] = await problemsOf({ pipeline: 'rollout' }, files);
  expect(problem).toMatch(
    /^environments\[0\]\.deadlines\.promotionSeconds: The steps up to rest last 7200 seconds at least; the promotion ends after 3600 \[deadline-cannot-hold\]; Shorten steps/,
  );
  expect(others).toEqual([]);
  const deadlines = { promotionSeconds: 9000 };
  expect(await problemsOf({ pipeline: 'rollout', deadlines }, files)).toEqual([]);
  const parameters = { soak: 60 };
  expect(await problemsOf({ pipeline: 'rollout', parameters }, files)).toEqual([]);
});

test('a version that was published with other content is refused, the same is taken', async () => {
  const text = pipeline('rollout', 1, STEPS);
  const other = pipeline('rollout', 1, ASKING);
  expect(await problemsOf({}, { 'a.yaml': text }, published(text))).toEqual([]);
  expect(await problemsOf({}, { 'a.yaml': text }, published(other))).toEqual([
    'pipelines[0]: rollout@1 was published with other content, and a version never changes; give the changed one the next version',
  ]);
});

test('what is published elsewhere can be named, extended, and is not judged again', async () => {
  const base = pipeline('base', 4, STEPS);
  const files = {
    'a.yaml': pipeline('rollout', 1, 'extends: { name: base, version: 4 }\nsteps: []\n'),
  };
  expect(await problemsOf({ pipeline: 'rollout' }, files, published(base))).toEqual([]);
  expect(await problemsOf({ pipeline: 'base@4' }, {}, published(base))).toEqual([]);
  expect(await problemsOf({ pipeline: 'base@5' }, {}, published(base))).toEqual([
    'environments[0].pipeline: there is no pipeline base@5; add its file to `pipelines`, or publish it',
  ]);
  // A newer one than the file's runs there: it can't keep the API from starting.
  const newer = published(pipeline('rollout', 2, REGION + STEPS));
  const older = { 'a.yaml': pipeline('rollout', 1, STEPS) };
  expect(await problemsOf({ pipeline: 'rollout', approval: {} }, older, newer)).toEqual([]);
});

test.each(['standard@2', 'approved@1', 'rollback', 'rollback@1', 'Rollout', 'rollout@0', 'a@b'])(
  'an environment can not run "%s"',
  async (name) => {
    const [first] = await problemsOf({ pipeline: name }, {});
    expect(first).toMatch(/^environments\[0\]\.pipeline: /);
  },
);
