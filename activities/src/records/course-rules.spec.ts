import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { NOTHING_RELEASE } from '@sluice/domain';
import {
  findResolvedPipeline,
  insertRelease,
  listSteps,
  publishPipeline,
  readTargetLabels,
  withTenant,
} from '@sluice/persistence';
import { digestOf, releaseDigest } from '@sluice/pure';
import {
  type CourseScene,
  courseTemplate,
  createCourseScene,
  SCENE_TENANT,
} from '../testing/index.ts';

let room: CourseScene;
beforeAll(async () => {
  room = await createCourseScene({
    targets: ['dev-1', 'dev-2'],
    labels: { 'dev-1': { region: 'eu' } },
  });
});
afterAll(() => room.close());

const read = <T>(work: Parameters<typeof withTenant<T>>[2]): Promise<T> =>
  withTenant(room.scene.worker, SCENE_TENANT, work);

const refused = { type: 'InvalidInput', nonRetryable: true };

test('a team’s pipeline is frozen as a course, its inputs stay with the records', async () => {
  const { promotion, rules } = await room.begin(
    {
      parameters: { region: { schema: { type: 'string' }, default: 'eu' } },
      steps: [
        {
          id: 'count',
          type: 'script@1',
          inputs: { source: 'true', outputs: { n: { type: 'integer' } } },
        },
        {
          id: 'tell',
          type: 'script@1',
          needs: ['count'],
          if: 'steps.count.outputs.n > 1',
          inputs: { source: { cel: '"echo " + parameters.region' } },
        },
        { id: 'approve', type: 'approval@1', needs: ['tell'] },
      ],
    },
    { region: 'us' },
  );
  expect(rules).toMatchObject({
    form: 3,
    begun: true,
    kind: 'promote',
    targets: ['dev-1', 'dev-2'],
    parameters: { region: 'us' },
    facts: {
      promotion: { id: promotion.promotionId, environment: 'dev', kind: 'promote' },
      release: { id: room.release, name: 'hello', version: '1.0.0' },
      environment: { name: 'dev' },
    },
    approval: { count: expect.any(Number) },
  });
  expect(rules.pipeline).toMatchObject({
    schema: 'sluice.course/v1',
    name: 'shop',
    steps: [
      { id: 'count', type: 'script@1', queue: 'script', reads: ['n'], inputs: {} },
      { id: 'tell', inputs: {}, if: 'steps.count.outputs.n > 1' },
      { id: 'approve', control: true },
    ],
  });
  const { promotionId } = promotion;
  const resolved = await read((tx) => findResolvedPipeline(tx, rules.pipelineDigest));
  expect(digestOf(resolved)).toBe(rules.pipelineDigest);
  expect(resolved?.steps[1]?.inputs).toEqual({ source: { cel: '"echo " + parameters.region' } });
  const steps = await read((tx) => listSteps(tx, promotionId));
  expect(steps.map(({ stepId, state }) => [stepId, state])).toEqual([
    ['count', 'pending'],
    ['tell', 'pending'],
    ['approve', 'pending'],
  ]);
  expect(await read((tx) => readTargetLabels(tx, promotionId))).toEqual({
    'dev-1': { region: 'eu' },
    'dev-2': {},
  });
  // Another version of it, and other labels, change nothing for a promotion that has begun.
  await room.begin({ steps: [{ id: 'other', type: 'noop@1' }] });
  expect(await room.activities([]).freezeRules({ promotion })).toEqual(rules);
});

test('an environment can hold to a version, and sets parameters that nobody else can', async () => {
  const parameters = { region: { schema: { type: 'string' as const }, default: 'eu' } };
  const { rules } = await room.begin({ parameters, steps: [{ id: 'one', type: 'noop@1' }] });
  const pinned = rules.pipeline.version;
  await room.scene.database.query(
    `update sluice.environments set pipeline_version = $1, pipeline_parameters = '{"region": "de"}' where environment_id = 'dev'`,
    [pinned],
  );
  const next = await room.begin(
    { parameters, steps: [{ id: 'two', type: 'noop@1' }] },
    { region: 'us' },
  );
  expect(next.rules.pipeline).toMatchObject({ version: pinned, steps: [{ id: 'one' }] });
  expect(next.rules.parameters).toEqual({ region: 'de' });
  await room.scene.database.query(
    `update sluice.environments set pipeline_version = 9999, pipeline_parameters = '{}'`,
  );
  await expect(room.begin({ steps: [{ id: 'one', type: 'noop@1' }] })).rejects.toMatchObject({
    ...refused,
    message: expect.stringContaining('9999'),
  });
  await room.scene.database.query(`update sluice.environments set pipeline_version = null`);
});

test('everything that keeps a pipeline from running is told at once', async () => {
  const broken = room.begin(
    {
      parameters: { region: { schema: { type: 'string' } } },
      steps: [
        {
          id: 'sub',
          type: 'pipeline@1',
          inputs: { pipeline: { name: 'nowhere', version: 3 } },
        },
        { id: 'odd', type: 'unknown@7' },
      ],
    },
    { regoin: 'eu' },
  );
  await expect(broken).rejects.toMatchObject({
    ...refused,
    message: expect.stringMatching(
      /^Pipeline shop@[0-9]+ can't run in dev: publish[^]*regoin[^]*nowhere@3/,
    ),
  });
  const unfit = room.begin({ steps: [{ id: 'tell', type: 'script@1', inputs: {} }] });
  await expect(unfit).rejects.toMatchObject({
    ...refused,
    message: expect.stringContaining('tell'),
  });
  await expect(
    room.begin({ extends: { name: 'base', version: 1 }, steps: [] }),
  ).rejects.toMatchObject({ ...refused, message: expect.stringContaining('base@1') });
  await withTenant(room.scene.app, SCENE_TENANT, (tx) =>
    publishPipeline(tx, {
      template: { ...courseTemplate(1, [{ id: 'base', type: 'noop@1' }]), name: 'base' },
      publishedBy: 'alice',
    }),
  );
  const { rules } = await room.begin({ extends: { name: 'base', version: 1 }, steps: [] });
  expect(rules.pipeline.steps.map(({ id }) => id)).toEqual(['base']);
});

test('a promotion has a release from its beginning, or a pipeline that makes one', async () => {
  const make = {
    id: 'make',
    type: 'release@1' as const,
    inputs: {
      name: 'hello',
      version: '9.0.0',
      components: [{ name: 'web', kind: 'oci', digest: `sha256:${'a'.repeat(64)}`, version: '1' }],
    },
  };
  await expect(room.begin({ steps: [make] })).rejects.toMatchObject({
    ...refused,
    message: expect.stringContaining('release-given'),
  });
  const nothing = releaseDigest(NOTHING_RELEASE);
  await withTenant(room.scene.app, SCENE_TENANT, (tx) =>
    insertRelease(tx, { release: NOTHING_RELEASE, createdBy: 'sluice' }),
  );
  const { promotionId } = await room.scene.addPromotion(nothing);
  const promotion = { tenantId: SCENE_TENANT, promotionId };
  const rules = await room.activities([]).freezeRules({ promotion });
  expect(rules).toMatchObject({ releaseDigest: nothing, form: 3 });
  await expect(room.begin({ steps: [{ id: 'one', type: 'noop@1' }] })).resolves.toBeDefined();
  const without = await room.scene.addPromotion(nothing);
  await expect(
    room
      .activities([])
      .freezeRules({ promotion: { ...promotion, promotionId: without.promotionId } }),
  ).rejects.toMatchObject({ ...refused, message: expect.stringContaining('release-not-made') });
});

test('a pipeline that nobody published is told by its name', async () => {
  await room.scene.database.query(
    `update sluice.environments set pipeline_id = 'nowhere' where environment_id = 'dev'`,
  );
  await expect(room.begin({ steps: [{ id: 'one', type: 'noop@1' }] })).rejects.toMatchObject({
    ...refused,
    message: expect.stringContaining('pipeline nowhere, and it was never published'),
  });
});
