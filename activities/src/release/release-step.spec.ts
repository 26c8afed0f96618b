import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Component, NOTHING_RELEASE } from '@sluice/domain';
import { createFolderStore, type EvidenceStore } from '@sluice/evidence-store';
import { CLOSURE_MEDIA_TYPE, composeNixComponent, NIX_COMPONENT_MEDIA_TYPE } from '@sluice/nix';
import { createLogger } from '@sluice/observability';
import { MEDIA_TYPES } from '@sluice/oci';
import {
  bindRelease,
  getPromotion,
  getRelease,
  insertEvidence,
  insertPlanSet,
  insertRelease,
  type PromotionRecord,
  setPromotionState,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import { canonicalJson, digestOf, digestOfBytes, NOTHING_DIGEST } from '@sluice/pure';
import type { StepRun } from '../step/step-type.ts';
import { createFakeScope } from '../testing/fake-scope.ts';
import {
  createPromotionScene,
  type PromotionScene,
  SCENE_TENANT,
} from '../testing/promotion-scene.ts';
import { createReleaseStep } from './release.step.ts';

let scene: PromotionScene;
let folder: string;
let evidence: EvidenceStore;
const documentOf = (narSize: number, closure = 'closure') =>
  composeNixComponent(
    {
      storePath: '/nix/store/0c5b7z3kq2m9v1x8y6w4r2n0s5d7f9g1-shop-1.4.0',
      narHash: digestOfBytes('nar'),
      narSize,
    },
    { digest: digestOfBytes(closure), size: 300 },
  );
const imageOf = (layer: string, more: object = {}) => ({
  schemaVersion: 2,
  mediaType: MEDIA_TYPES.manifest,
  config: { mediaType: MEDIA_TYPES.config, digest: digestOfBytes('config'), size: 10 },
  layers: [{ mediaType: MEDIA_TYPES.layerTar, digest: digestOfBytes(layer), size: 10 }],
  ...more,
});
const SHOP: Component = {
  name: 'shop',
  kind: 'nix',
  digest: digestOf(documentOf(1)),
  version: '1',
};
const OTHER = digestOf(documentOf(2));
const image = (layer: string, more: object = {}): Component => ({
  name: 'web',
  kind: 'oci',
  digest: digestOf(imageOf(layer, more)),
  version: '1',
});

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-release-step-'));
  evidence = createFolderStore(folder);
  scene = await createPromotionScene();
  await asApp((tx) => insertRelease(tx, { release: NOTHING_RELEASE, createdBy: 'sluice' }));
  await asWorker(async (tx) => {
    const keep = async (document: object, mediaType: string) => {
      const stored = await evidence.put(canonicalJson(document), { maxBytes: 10_000 });
      await insertEvidence(tx, { ...stored, mediaType });
    };
    for (const document of [documentOf(1), documentOf(2), documentOf(3, 'of another tenant')]) {
      await keep(document, NIX_COMPONENT_MEDIA_TYPE);
    }
    const own = {
      closure: CLOSURE_MEDIA_TYPE,
      config: MEDIA_TYPES.config,
      layer: MEDIA_TYPES.layerTar,
    };
    for (const [content, mediaType] of Object.entries(own)) {
      await insertEvidence(tx, { digest: digestOfBytes(content), mediaType, size: 300 });
    }
    await keep(imageOf('layer'), MEDIA_TYPES.manifest);
    await keep(imageOf('of another tenant'), MEDIA_TYPES.manifest);
    await keep(imageOf('layer', { schemaVersion: 1 }), MEDIA_TYPES.manifest);
    // What a script wrote.
    await keep(imageOf('layer', { annotations: { by: 'a script' } }), 'application/octet-stream');
  });
});
afterAll(async () => {
  await scene.database.drop();
  await rm(folder, { recursive: true });
});

function asWorker<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
  return withTenant(scene.worker, SCENE_TENANT, work);
}

function asApp<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
  return withTenant(scene.app, SCENE_TENANT, work);
}

/** Runs the step and writes its rows as the frame does: all or none. */
async function make(promotion: PromotionRecord, version: string, components = [SHOP]) {
  const { promotionId } = promotion;
  const outcome = await createReleaseStep({ pool: scene.worker, evidence }).run({
    input: { stepId: 'release', promotion: { tenantId: SCENE_TENANT, promotionId } },
    promotion,
    scope: createFakeScope(),
    log: createLogger({ service: 'test', level: 'silent' }),
    inputs: { name: 'shop', version, components },
  } as unknown as StepRun);
  await asWorker(async (tx) => outcome.record?.(tx));
  return outcome.result;
}

const begin = () => scene.addPromotion(NOTHING_DIGEST);

async function releaseOf({ promotionId }: PromotionRecord): Promise<string> {
  return (await asWorker((tx) => getPromotion(tx, promotionId))).releaseDigest;
}

test('a release is made, and the promotion is of it from then on', async () => {
  const promotion = await begin();
  const result = await make(promotion, '1.0.0');
  const release = await releaseOf(promotion);
  expect(result).toEqual({
    outcome: 'succeeded',
    outputs: { release },
    values: { release, name: 'shop', version: '1.0.0' },
    reason: null,
  });
  expect(await asWorker((tx) => getRelease(tx, release))).toMatchObject({
    createdBy: 'alice',
    body: { name: 'shop', version: '1.0.0', components: [SHOP] },
  });
  const rows = await scene.database.query<{ type: string }>(
    `select type from sluice.events where promotion_id = $1`,
    [promotion.promotionId],
  );
  expect(rows.map(({ type }) => type).sort()).toEqual([
    'promotion.release-bound',
    'release.created',
  ]);
});

test('an image whose parts are the tenant’s is a component', async () => {
  const promotion = await begin();
  expect(await make(promotion, '3.0.0', [image('layer')])).toMatchObject({ outcome: 'succeeded' });
});

test('the same components under the same name and version are the same release', async () => {
  const [first, second] = [await begin(), await begin()];
  await make(first, '2.0.0');
  await make(second, '2.0.0');
  expect(await releaseOf(second)).toBe(await releaseOf(first));
});

test.each<[string, string, readonly Component[], string]>([
  ['a version that is taken', '1.0.0', [{ ...SHOP, digest: OTHER }], 'release-version-taken'],
  [
    'a component that nobody built',
    '9',
    [{ ...SHOP, digest: digestOfBytes('no') }],
    'release-component-invalid',
  ],
  ['a component of another kind', '9', [{ ...SHOP, kind: 'oci' }], 'release-component-invalid'],
  [
    'an image that is of this tenant in name alone',
    '9',
    [image('of another tenant')],
    'release-component-invalid',
  ],
  [
    'a closure that is of this tenant in name alone',
    '9',
    [{ ...SHOP, digest: digestOf(documentOf(3, 'of another tenant')) }],
    'release-component-invalid',
  ],
  [
    'what a script says is an image',
    '9',
    [image('layer', { annotations: { by: 'a script' } })],
    'release-component-invalid',
  ],
  ['no image at all', '9', [image('layer', { schemaVersion: 1 })], 'release-component-invalid'],
  [
    'a configuration that is not there',
    '9',
    [{ ...SHOP, kind: 'config', digest: digestOfBytes('of another tenant') }],
    'release-component-invalid',
  ],
  ['one component twice', '9', [SHOP, SHOP], 'release-component-invalid'],
  ['no version', '?', [SHOP], 'release-version-invalid'],
])(
  '%s is refused, and the promotion stays without a release',
  async (_what, version, components, code) => {
    const promotion = await begin();
    expect(await make(promotion, version, [...components])).toMatchObject({
      outcome: 'failed',
      reason: { code },
    });
    expect(await releaseOf(promotion)).toBe(NOTHING_DIGEST);
  },
);

test('a promotion that was asked for with a release keeps it', async () => {
  const given = await scene.addRelease('7.0.0');
  const promotion = await scene.addPromotion(given);
  expect(await make(promotion, '7.1.0')).toMatchObject({ reason: { code: 'release-given' } });
  expect(await releaseOf(promotion)).toBe(given);
});

test('a version that was taken while the step ran is found by the next attempt', async () => {
  const promotion = await begin();
  const { promotionId } = promotion;
  const outcome = await createReleaseStep({ pool: scene.worker, evidence }).run({
    input: { stepId: 'release', promotion: { tenantId: SCENE_TENANT, promotionId } },
    promotion,
    log: createLogger({ service: 'test', level: 'silent' }),
    inputs: { name: 'shop', version: '5.0.0', components: [SHOP] },
  } as unknown as StepRun);
  const other = [{ ...SHOP, digest: OTHER }];
  await make(await begin(), '5.0.0', other);
  await expect(asWorker(async (tx) => outcome.record?.(tx))).rejects.toMatchObject({
    type: 'Unavailable',
  });
  expect(await releaseOf(promotion)).toBe(NOTHING_DIGEST);
  expect(await make(promotion, '5.0.0')).toMatchObject({
    reason: { code: 'release-version-taken' },
  });
});

test('the database binds a promotion once, before it is planned and while it runs', async () => {
  const [one, two] = [await scene.addRelease('8.0.0'), await scene.addRelease('8.1.0')];
  const bind = ({ promotionId }: PromotionRecord, releaseDigest: string) =>
    asWorker((tx) => bindRelease(tx, { promotionId, releaseDigest }));
  const update = ({ promotionId }: PromotionRecord, releaseDigest: string) =>
    asWorker((tx) =>
      tx.query(
        `update sluice.promotions set release_digest = $3 where tenant_id = $1 and promotion_id = $2`,
        [tx.tenantId, promotionId, releaseDigest],
      ),
    );
  const bound = await begin();
  expect(await bind(bound, one)).toBe(true);
  expect(await bind(bound, one)).toBe(false);
  await expect(bind(bound, two)).rejects.toMatchObject({ code: 'record-conflict' });
  await expect(update(bound, two)).rejects.toThrow(/keeps its release/);
  await expect(update(bound, NOTHING_DIGEST)).rejects.toThrow(/keeps its release/);

  const planned = await begin();
  const { promotionId } = planned;
  const planSet = { schema: 'sluice.plan-set/v1', promotion: promotionId, release: one, plans: [] };
  await asWorker((tx) =>
    insertPlanSet(tx, {
      promotionId,
      round: 1,
      planSet: planSet as Parameters<typeof insertPlanSet>[1]['planSet'],
    }),
  );
  await expect(bind(planned, one)).rejects.toThrow(/keeps its release/);

  const ended = await begin();
  await asWorker((tx) =>
    setPromotionState(tx, { promotionId: ended.promotionId, state: 'cancelled' }),
  );
  await expect(bind(ended, one)).rejects.toThrow(/keeps its release/);

  const rollback = await scene.addPromotion(NOTHING_DIGEST, { kind: 'rollback' });
  await expect(bind(rollback, one)).rejects.toThrow(/keeps its release/);
});
