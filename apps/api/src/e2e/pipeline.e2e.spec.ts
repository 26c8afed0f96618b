import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Pipeline, STANDARD_PIPELINE } from '@sluice/domain';
import { setPromotionState, setStepState, settleMembers, withTenant } from '@sluice/persistence';
import { MAX_PIPELINE_BYTES } from '@sluice/pipeline';
import {
  addMembers,
  freezePipeline,
  pipelineText,
  publishSample,
  samplePipeline,
} from '../testing/pipeline-scene.ts';
import { addPromotion, addRelease } from '../testing/scene.ts';
import { type Json, startTestApi, TENANT, type TestApi, tokenOf } from '../testing/test-api.ts';

/** As a promotion of a team's pipeline begins. */
const NO_STEPS: Pipeline = { ...STANDARD_PIPELINE, steps: [] };

let api: TestApi;

beforeAll(async () => {
  api = await startTestApi();
});

afterAll(async () => {
  await api?.stop();
});

const PROBLEMS =
  '... on PipelineInvalid { problemCount problems { code severity path line column message suggestion } }';

let keys = 0;

async function publish(text: string, key = `key-${(keys += 1)}`): Promise<Json> {
  const query = `mutation ($input: PublishPipelineInput!) { publishPipeline(input: $input) {
    __typename
    ... on PublishedPipeline { published warnings { code } pipeline { id digest publishedBy description } }
    ... on PipelineVersionTaken { publishedDigest }
    ... on Refusal { code message }
    ${PROBLEMS}
  } }`;
  const answer = await api.ask(query, { input: { text, idempotencyKey: key } });
  expect(answer.errors).toEqual([]);
  return answer.data?.publishPipeline;
}

test('a version is published once, the same again is the same, other content is taken', async () => {
  const first = await publish(pipelineText(1, 20, 'once'));
  expect(first).toMatchObject({
    __typename: 'PublishedPipeline',
    published: true,
    pipeline: { id: 'once@1', publishedBy: 'admin' },
  });
  // Another text of the same meaning: comments are no part of it.
  const again = await publish(`# the same\n${pipelineText(1, 20, 'once')}`);
  expect(again).toMatchObject({ published: false, pipeline: { digest: first.pipeline.digest } });
  const other = await publish(pipelineText(1, 21, 'once'));
  expect(other).toMatchObject({
    __typename: 'PipelineVersionTaken',
    code: 'pipeline-version-taken',
    publishedDigest: first.pipeline.digest,
  });
  const events = await api.database.query(
    "select actor, data from sluice.events where type = 'pipeline.published' and subject = 'pipeline:once'",
  );
  expect(events).toEqual([
    { actor: 'principal:admin', data: { version: 1, digest: first.pipeline.digest } },
  ]);
});

test('everything that is wrong is told at once, with its place and what to write', async () => {
  const text = pipelineText(1, 20, 'wrong')
    .replace('needs: [gate]', 'needs: [gaet]')
    .replace('type: scan@1', 'type: scna@1')
    .replace('maxParallel: 2', 'maxParalel: 2');
  const answer = await publish(text);
  expect(answer).toMatchObject({ __typename: 'PipelineInvalid', code: 'pipeline-invalid' });
  const codes = answer.problems.map(({ code }: Json) => code);
  expect(codes).toEqual(
    expect.arrayContaining(['step-need-unknown', 'step-type-unknown', 'field-unknown']),
  );
  expect(answer.problems.every(({ line, column }: Json) => line > 1 && column > 0)).toBe(true);
  expect(answer.problems.find(({ code }: Json) => code === 'step-need-unknown').suggestion).toMatch(
    /gate/,
  );
  expect(answer.problemCount).toBe(answer.problems.length);
});

test.each([
  ['no pipeline', 'hello'],
  ['a bomb', `a: &a [x,x]\nb: &b [*a,*a]\nsteps: [*b,*b]\n`],
  ['a binary text', 'schema: \u0001\n'],
  ['a reserved name', pipelineText(7, 20, 'approved')],
  [
    'a sub-pipeline that is not there',
    `${pipelineText(1, 20, 'lost')}  - id: more
    type: pipeline@1
    inputs: { pipeline: { name: nowhere, version: 1 } }
`,
  ],
])('%s is refused as a pipeline', async (_why, text) => {
  const answer = await publish(text);
  expect(answer).toMatchObject({ __typename: 'PipelineInvalid' });
  expect(answer.problems.length).toBeGreaterThan(0);
});

test('what another one extends and contains must be published before it', async () => {
  const extending =
    'schema: sluice.pipeline/v2\nname: child\nversion: 1\nextends: { name: parent, version: 2 }\nsteps:\n  - { id: pause, remove: true }\n';
  expect(await publish(extending)).toMatchObject({ __typename: 'PipelineInvalid' });
  await publish(pipelineText(2, 20, 'parent'));
  const answer = await publish(
    'schema: sluice.pipeline/v2\nname: child\nversion: 1\nextends: { name: parent, version: 2 }\nsteps:\n  - { id: pause, inputs: { seconds: 5 } }\n',
  );
  expect(answer).toMatchObject({ __typename: 'PublishedPipeline', published: true });
  const { data } = await api.ask(
    '{ resolvePipeline(pipeline: "child") { ... on ResolvedPipeline { name mermaid parameters steps { id inputs } } } }',
  );
  const { steps, mermaid, parameters } = data?.resolvePipeline ?? {};
  expect(steps.find(({ id }: Json) => id === 'pause').inputs).toEqual({ seconds: 5 });
  expect(mermaid).toMatch(/^flowchart TD\n/);
  expect(parameters).toEqual({ region: 'eu' });
});

test('a text as large as one may be gets through, a larger one is refused by its field', async () => {
  const filler = (bytes: number): string => {
    const text = pipelineText(1, 20, 'large');
    return `${text}# ${'"'.repeat(bytes - text.length - 3)}\n`;
  };
  expect(await publish(filler(MAX_PIPELINE_BYTES))).toMatchObject({ published: true });
  const answer = await publish(filler(MAX_PIPELINE_BYTES + 1));
  expect(answer).toMatchObject({ __typename: 'InvalidInput', code: 'invalid-input' });
});

test('pipelines are listed by name with their newest version, and who runs them', async () => {
  await publishSample(api, 3);
  await publishSample(api, 12);
  const query = `{ pipelines(first: 100) { edges { node {
    id builtIn stepCount digest publishedBy parameters { name required default schema }
    versions { version } environments { name }
  } } } }`;
  const { data, errors } = await api.ask(query, {}, tokenOf('viewer'));
  expect(errors).toEqual([]);
  const nodes = data?.pipelines.edges.map(({ node }: Json) => node);
  const ids = nodes.map(({ id }: Json) => id);
  expect(ids).toEqual([...ids].sort());
  expect(nodes.find(({ id }: Json) => id === 'sample@12')).toMatchObject({
    builtIn: false,
    stepCount: 6,
    versions: [{ version: 12 }, { version: 3 }],
    parameters: [{ name: 'region', required: false, default: 'eu', schema: { type: 'string' } }],
    environments: [],
  });
  expect(nodes.find(({ id }: Json) => id === 'standard@2')).toMatchObject({
    builtIn: true,
    publishedBy: null,
    environments: [{ name: 'dev' }, { name: 'empty' }],
  });
  const old = await api.ask(
    '{ pipeline(name: "sample", version: 3) { id document environments { name } } }',
  );
  expect(old.data?.pipeline).toMatchObject({ id: 'sample@3', document: { version: 3 } });
  expect((await api.ask('{ pipeline(name: "nothing") { id } }')).data?.pipeline).toBeNull();
});

test('a page of many pipelines takes as many statements as one of few', async () => {
  for (let n = 0; n < 12; n += 1) await publish(pipelineText(1, 20, `many-${n}`));
  const count = async (first: number): Promise<number> => {
    api.takeStatementCount();
    const query = `{ pipelines(first: ${first}) { edges { node {
      digest stepCount document parameters { name } versions { version } environments { name targets { name } }
    } } } }`;
    expect((await api.ask(query)).errors).toEqual([]);
    return api.takeStatementCount();
  };
  expect(await count(14)).toBe(await count(2));
});

test('two versions are compared as they would run', async () => {
  await publish(pipelineText(1, 20, 'two'));
  await publish(pipelineText(2, 60, 'two').replace('maxParallel: 2', 'maxParallel: 5'));
  const query = `query ($from: String!, $to: String!) { comparePipelines(from: $from, to: $to) {
    __typename
    ... on PipelineDifference { scope reordered before { version } after { version }
      added { id } removed { id } members { path } changed { id scope needsAdded members { path before after scope } } }
    ... on Refusal { code message }
    ${PROBLEMS}
  } }`;
  const { data } = await api.ask(query, { from: 'two@1', to: 'two' });
  expect(data?.comparePipelines).toMatchObject({
    scope: 'EFFECTS',
    before: { version: 1 },
    after: { version: 2 },
    added: [],
    changed: [
      {
        id: 'deploy',
        members: [{ path: 'matrix.maxParallel', before: 2, after: 5, scope: 'COURSE' }],
      },
      {
        id: 'pause',
        members: [
          { path: 'inputs.seconds', before: 20, after: 60, scope: 'EFFECTS' },
          { path: 'timeoutSeconds', scope: 'COURSE' },
        ],
      },
    ],
  });
  const none = await api.ask(query, { from: 'two@1', to: 'two@9' });
  expect(none.data?.comparePipelines).toMatchObject({
    __typename: 'NotFound',
    code: 'pipeline-unknown',
  });
});

test('a preview says what would happen to which targets, and leaves nothing behind', async () => {
  const release = await addRelease(api, '1.0.0');
  await publish(pipelineText(1, 20, 'looked-at'));
  await api.database.query(
    `update sluice.environments set pipeline_id = 'looked-at' where tenant_id = 'acme' and environment_id = 'prod'`,
  );
  const count = async (): Promise<number> =>
    (await api.database.query('select 1 from sluice.events')).length;
  const before = await count();
  const query = `query ($release: Digest, $parameters: JSON) {
    previewPromotion(environment: "prod", release: $release, parameters: $parameters) {
      __typename
      ... on PromotionPreview {
        release { version } pipeline { name digest }
        steps { id layer kind asks members memberCount membersFrom maxParallel longestSeconds undoes guarantee skipped }
        targets { target { name } steps }
        approval { count } deadlineSeconds blockers { code message }
      }
      ... on Refusal { code message }
      ${PROBLEMS}
    }
  }`;
  const { data, errors } = await api.ask(query, { release }, tokenOf('viewer'));
  expect(errors).toEqual([]);
  const preview = data?.previewPromotion;
  expect(preview.steps.map(({ id }: Json) => id)).toEqual([
    'scan',
    'gate',
    'plan',
    'pause',
    'deploy',
    'verify',
  ]);
  expect(preview.steps[4]).toMatchObject({
    kind: 'MATRIX',
    members: ['acme-prod'],
    memberCount: 1,
    maxParallel: 2,
    guarantee: 'exactly-once',
  });
  expect(preview.targets).toEqual([{ target: { name: 'acme-prod' }, steps: ['deploy'] }]);
  expect(preview.steps[1].asks).toBe('policy release-gate');
  expect(preview.blockers).toEqual([
    {
      code: 'predecessor-not-verified',
      message: expect.stringContaining('promote it there first'),
    },
  ]);
  const unfit = await api.ask(query, { release, parameters: { region: 5 } });
  expect(unfit.data?.previewPromotion).toMatchObject({
    __typename: 'PipelineInvalid',
    problems: [{ code: 'parameter-invalid', path: 'parameters.region' }],
  });
  const none = await api.ask(query, {});
  expect(none.data?.previewPromotion.blockers).toMatchObject([{ code: 'release-required' }]);
  expect(await count()).toBe(before);
});

test('parameters are checked before a promotion is accepted, and stand on it', async () => {
  const release = await addRelease(api, '2.0.0');
  await publish(pipelineText(1, 20, 'asked'));
  await api.database.query(
    `update sluice.environments set pipeline_id = 'asked', pipeline_version = 1, pipeline_parameters = '{}'
      where tenant_id = 'acme' and environment_id = 'dev'`,
  );
  const query = `mutation ($input: RequestPromotionInput!) { requestPromotion(input: $input) {
    __typename
    ... on Promotion { id parameters pipeline { name } steps { id } environment { pipeline pipelineVersion parameters } }
    ... on Refusal { code message }
    ... on InvalidInput { field }
    ${PROBLEMS}
  } }`;
  const ask = async (parameters: unknown, idempotencyKey: string): Promise<Json> => {
    const input = { release, environment: 'dev', parameters, idempotencyKey };
    return (await api.ask(query, { input })).data?.requestPromotion;
  };
  expect(await ask({ region: 'us' }, 'p1')).toMatchObject({
    __typename: 'Promotion',
    parameters: { region: 'us' },
    pipeline: null,
    steps: [],
    environment: { pipeline: 'asked', pipelineVersion: 1, parameters: {} },
  });
  expect(await ask({ region: 5 }, 'p2')).toMatchObject({
    __typename: 'PipelineInvalid',
    problems: [{ code: 'parameter-invalid' }],
  });
  expect(await ask({ regoin: 'us' }, 'p3')).toMatchObject({
    problems: [{ code: 'parameter-unknown', suggestion: 'region' }],
  });
  await api.database.query(
    `update sluice.environments set pipeline_parameters = '{"region": "eu"}'
      where tenant_id = 'acme' and environment_id = 'dev'`,
  );
  expect(await ask({ region: 'us' }, 'p4')).toMatchObject({
    __typename: 'InvalidInput',
    field: 'parameters',
    message: expect.stringContaining('set by the configuration'),
  });
});

test('a promotion shows what it runs, how its members fare, and what was put back', async () => {
  const release = await addRelease(api, '3.0.0');
  const promotionId = await addPromotion(api, release, TENANT, { pipeline: NO_STEPS });
  const query = `query ($id: ID!) { promotion(id: $id) {
    pipeline { name version digest }
    resolvedPipeline { name digest mermaid steps { id needs } }
    steps { id state description needs memberCounts { total succeeded failed reverted }
      members(first: 2) { edges { node { index key value state reason { code } target { name } } } pageInfo { hasNextPage } } }
    compensation { complete steps { step state undoes byHand undoneMembers memberCount reason { code } } }
  } }`;
  const look = async (): Promise<Json> => {
    const { data, errors } = await api.ask(query, { id: promotionId }, tokenOf('viewer'));
    expect(errors).toEqual([]);
    return data?.promotion;
  };
  expect(await look()).toMatchObject({
    pipeline: null,
    resolvedPipeline: null,
    compensation: null,
  });
  const set = { promotionId, stepId: 'deploy', round: 1 };
  await withTenant(api.workerPool, TENANT, async (tx) => {
    await setPromotionState(tx, { promotionId, state: 'running' });
    await freezePipeline(tx, promotionId, samplePipeline(7));
    await addMembers(tx, promotionId, 'deploy', ['one', 'two', 'three']);
    await setStepState(tx, { promotionId, stepId: 'deploy', state: 'running' });
    const reason = { code: 'members-failed', message: 'One of three failed.' };
    await setStepState(tx, { promotionId, stepId: 'deploy', state: 'partial', reason });
  });
  const running = await look();
  expect(running.pipeline).toMatchObject({ name: 'sample', version: 7 });
  expect(running.resolvedPipeline.digest).toBe(running.pipeline.digest);
  expect(running.resolvedPipeline.mermaid).toContain('Zone by zone');
  expect(running.compensation).toBeNull();
  expect(running.steps.find(({ id }: Json) => id === 'deploy')).toEqual({
    id: 'deploy',
    state: 'PARTIAL',
    description: 'Zone by zone',
    needs: ['pause'],
    memberCounts: { total: 3, succeeded: 2, failed: 1, reverted: 0 },
    members: {
      edges: [
        {
          node: {
            index: 0,
            key: 'one',
            value: 'one',
            state: 'SUCCEEDED',
            reason: null,
            target: null,
          },
        },
        {
          node: {
            index: 1,
            key: 'two',
            value: 'two',
            state: 'SUCCEEDED',
            reason: null,
            target: null,
          },
        },
      ],
      pageInfo: { hasNextPage: true },
    },
  });
  await withTenant(api.workerPool, TENANT, async (tx) => {
    await settleMembers(tx, set, [{ key: 'one', state: 'reverted' }]);
    await setPromotionState(tx, {
      promotionId,
      state: 'failed',
      reason: { code: 'x', message: 'y' },
    });
  });
  const failed = await look();
  expect(failed.compensation).toMatchObject({
    complete: false,
    steps: [{ step: 'deploy', state: 'LEFT', undoneMembers: 1, memberCount: 3 }],
  });
});

test('a pipeline that makes its release takes none, and any other needs one', async () => {
  const release = await addRelease(api, '4.0.0');
  const example = new URL(
    '../../../../examples/pipelines/nix-build-to-deployment.yaml',
    import.meta.url,
  );
  const made = await publish(await readFile(example, 'utf8'));
  expect(made).toMatchObject({ __typename: 'PublishedPipeline' });
  const use = (name: string) =>
    api.database.query(
      `update sluice.environments set pipeline_id = $1, pipeline_version = null, pipeline_parameters = '{}'
        where tenant_id = 'acme' and environment_id = 'dev'`,
      [name],
    );
  const query = `mutation ($input: RequestPromotionInput!) { requestPromotion(input: $input) {
    __typename ... on Promotion { release { components { name } } } ... on Refusal { code message } ${PROBLEMS}
  } }`;
  const ask = async (digest: string | null): Promise<Json> => {
    keys += 1;
    const input = { release: digest, environment: 'dev', idempotencyKey: `made-${keys}` };
    return (await api.ask(query, { input })).data?.requestPromotion;
  };
  await use('nix-build-to-deployment');
  expect(await ask(null)).toEqual({ __typename: 'Promotion', release: { components: [] } });
  expect(await ask(release)).toMatchObject({ code: 'release-is-made-here' });
  await use('standard');
  expect(await ask(null)).toMatchObject({ code: 'release-required' });
  expect(await ask(release)).toMatchObject({ __typename: 'Promotion' });
  await use('nowhere');
  expect(await ask(release)).toMatchObject({ code: 'pipeline-unknown' });
});
