import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { pipelineText } from '../testing/pipeline-scene.ts';
import { addRelease } from '../testing/scene.ts';
import { type Json, startTestApi, type TestApi } from '../testing/test-api.ts';

let api: TestApi;
let keys = 0;

beforeAll(async () => {
  api = await startTestApi();
});

afterAll(async () => {
  await api?.stop();
});

const PROBLEMS = '... on PipelineInvalid { problems { code message suggestion } }';

async function publish(text: string): Promise<Json> {
  keys += 1;
  const query = `mutation ($input: PublishPipelineInput!) { publishPipeline(input: $input) {
    __typename ... on Refusal { code message } ${PROBLEMS}
  } }`;
  const { data, errors } = await api.ask(query, {
    input: { text, idempotencyKey: `key-${keys}` },
  });
  expect(errors).toEqual([]);
  return data?.publishPipeline;
}

/** The environment `dev`, changed as an applied configuration would. */
async function configure(pipeline: string, version: number | null, approval: object | null) {
  await api.database.query(
    `update sluice.environments
        set pipeline_id = $1, pipeline_version = $2, pipeline_parameters = '{}', approval = $3
      where tenant_id = 'acme' and environment_id = 'dev'`,
    [pipeline, version, approval],
  );
}

const silent = (version: number) => pipelineText(version, 20, 'watched');
const asking = (version: number) =>
  silent(version).replace(
    '  - id: pause\n    type: wait@1\n    needs: [plan]\n    inputs: { seconds: 20 }\n',
    '  - id: pause\n    type: approval@1\n    needs: [plan]\n',
  );

test('nobody publishes the approval of an environment away', async () => {
  expect(asking(1)).toContain('approval@1');
  expect((await publish(asking(1))).__typename).toBe('PublishedPipeline');
  await configure('watched', null, null);
  expect((await publish(asking(2))).__typename).toBe('PublishedPipeline');
  const refused = await publish(silent(3));
  expect(refused).toMatchObject({
    __typename: 'PipelineInvalid',
    problems: [
      {
        code: 'approval-lost',
        message: expect.stringContaining('Environment dev runs the newest version of watched'),
        suggestion: expect.stringContaining('pipeline: watched@2'),
      },
    ],
  });
  // With a rule of its own, or held to a version, it loses nothing.
  await configure('watched', null, { count: 1, roles: ['admin'], deadlineSeconds: 60 });
  expect((await publish(silent(4))).__typename).toBe('PublishedPipeline');
  await configure('watched', 2, null);
  expect((await publish(asking(5))).__typename).toBe('PublishedPipeline');
  expect((await publish(silent(6))).__typename).toBe('PublishedPipeline');
  // One that is older than the newest is run by nobody who follows.
  await configure('watched', null, null);
  expect((await publish(silent(3))).__typename).toBe('PublishedPipeline');
});

test('what freezing would refuse is refused before: shown by the preview, and by the request', async () => {
  const release = await addRelease(api, '1.0.0');
  await publish(pipelineText(1, 172_800, 'slow'));
  await configure('slow', null, null);
  const shown = `... on Refusal { code message } ${PROBLEMS}`;
  const preview = async (): Promise<Json> => {
    const query = `query ($release: Digest) {
      previewPromotion(environment: "dev", release: $release) { __typename ${shown} } }`;
    return (await api.ask(query, { release })).data?.previewPromotion;
  };
  const request = async (): Promise<Json> => {
    keys += 1;
    const query = `mutation ($input: RequestPromotionInput!) {
      requestPromotion(input: $input) { __typename ${shown} } }`;
    const input = { release, environment: 'dev', idempotencyKey: `key-${keys}` };
    return (await api.ask(query, { input })).data?.requestPromotion;
  };
  const refused = {
    __typename: 'PipelineInvalid',
    code: 'pipeline-invalid',
    problems: [{ code: 'deadline-cannot-hold', message: expect.stringContaining('pause') }],
  };
  expect(await preview()).toMatchObject(refused);
  expect(await request()).toMatchObject(refused);
  await api.database.query(
    `update sluice.environments set deadlines = jsonb_set(deadlines, '{promotionSeconds}', '400000')
      where tenant_id = 'acme' and environment_id = 'dev'`,
  );
  expect((await preview()).__typename).toBe('PromotionPreview');
  expect((await request()).__typename).toBe('Promotion');
});
