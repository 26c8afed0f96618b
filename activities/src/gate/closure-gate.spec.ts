import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { builtInPolicyDir, createDecisionEngine, type DecisionEngine } from '@sluice/decision';
import { type Component, composeRelease, DEFAULT_DEADLINES, NOTHING_RELEASE } from '@sluice/domain';
import { createFolderStore, type EvidenceStore } from '@sluice/evidence-store';
import { CLOSURE_MEDIA_TYPE, composeNixComponent, NIX_COMPONENT_MEDIA_TYPE } from '@sluice/nix';
import { createLogger } from '@sluice/observability';
import { insertEvidence, insertRelease, type Tx, withTenant } from '@sluice/persistence';
import { digestOfBytes, NOTHING_DIGEST } from '@sluice/pure';
import { putDocument } from '../evidence/stored-document.ts';
import type { StepRun } from '../step/step-type.ts';
import { createFakeScope } from '../testing/fake-scope.ts';
import { createInMemorySigner } from '../testing/in-memory-signer.ts';
import {
  createPromotionScene,
  type PromotionScene,
  SCENE_TENANT,
} from '../testing/promotion-scene.ts';
import { createGateStep } from './gate.step.ts';

let folder: string;
let scene: PromotionScene;
let engine: DecisionEngine;
let evidence: EvidenceStore;
let versions = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-closure-gate-'));
  evidence = createFolderStore(folder);
  engine = await createDecisionEngine({ policyDir: builtInPolicyDir('release-gate') });
  scene = await createPromotionScene({ policyDigest: engine.policyDigest });
});
afterAll(async () => {
  await engine.close();
  await scene.database.drop();
  await rm(folder, { recursive: true, force: true });
});

const asWorker = <T>(work: (tx: Tx) => Promise<T>) => withTenant(scene.worker, SCENE_TENANT, work);

/** Keeps a component's document and archive; says less of it where a test wants so. */
async function keep(
  name: string,
  less: { readonly row?: false; readonly archive?: false; readonly closureRow?: false } = {},
): Promise<Component> {
  const archive = Buffer.from(`archive of ${name}`);
  const closure = { digest: digestOfBytes(archive), size: archive.length };
  if (less.archive !== false) await evidence.put(archive, { maxBytes: 1000 });
  const document = composeNixComponent(
    {
      storePath: `/nix/store/0c5b7z3kq2m9v1x8y6w4r2n0s5d7f9g1-${name}`,
      narHash: digestOfBytes(name),
      narSize: 120,
    },
    closure,
  );
  const blob = await putDocument(evidence, document, NIX_COMPONENT_MEDIA_TYPE);
  await asWorker(async (tx) => {
    if (less.row !== false) await insertEvidence(tx, blob);
    if (less.closureRow !== false) {
      await insertEvidence(tx, { ...closure, mediaType: CLOSURE_MEDIA_TYPE });
    }
  });
  return { name, kind: 'nix', digest: blob.digest, version: '1' };
}

async function decide(
  components: readonly Component[],
  inputDigests: Readonly<Record<string, string>> = {},
) {
  versions += 1;
  const release = composeRelease('built', `${versions}.0.0`, components);
  if (!release.ok) throw new Error(release.refusal.message);
  const stored = await asWorker((tx) =>
    insertRelease(tx, { release: release.value, createdBy: 'alice' }),
  );
  if (!stored.ok) throw new Error(stored.refusal.message);
  return decideOn(stored.value.releaseDigest, inputDigests);
}

async function decideOn(
  releaseDigest: string,
  inputDigests: Readonly<Record<string, string>> = {},
) {
  const promotion = await scene.addPromotion(releaseDigest);
  const { promotionId } = promotion;
  const steps = [
    { id: 'scan', type: 'scan@1', needs: [], inputs: {} },
    { id: 'mine', type: 'script@1', needs: [], inputs: {} },
    { id: 'gate', type: 'gate@1', needs: ['scan', 'mine'], inputs: {} },
  ];
  const signer = createInMemorySigner();
  const { result } = await createGateStep({
    pool: scene.worker,
    evidence,
    signer,
    decisions: engine,
  }).run({
    input: {
      stepId: 'gate',
      promotion: { tenantId: SCENE_TENANT, promotionId },
      inputDigests,
      scheduledAt: '2026-11-21T12:00:00Z',
    },
    promotion,
    rules: { policyDigest: engine.policyDigest, deadlines: DEFAULT_DEADLINES, pipeline: { steps } },
    scope: createFakeScope(),
    log: createLogger({ service: 'test', level: 'silent' }),
  } as unknown as StepRun);
  return result;
}

test('store paths whose closures are held are allowed, without a scan', async () => {
  const components = [await keep('api'), await keep('web')];
  expect(await decide(components)).toMatchObject({ outcome: 'succeeded' });
});

test.each<[string, Parameters<typeof keep>[1]]>([
  ['whose document is another tenant’s', { row: false }],
  ['whose archive is another tenant’s', { closureRow: false }],
  ['whose archive is gone', { archive: false }],
])('a store path %s is denied', async (what, less) => {
  const held = await keep('held');
  const lost = await keep(digestOfBytes(what).slice(7, 17), less);
  expect(await decide([held, lost])).toMatchObject({
    outcome: 'denied',
    reason: { code: 'closure-missing' },
  });
});

test('a store path without a document, or with one of another kind, is denied', async () => {
  const nobody = {
    name: 'app',
    kind: 'nix',
    digest: digestOfBytes('nobody'),
    version: '1',
  } as const;
  expect(await decide([nobody])).toMatchObject({ reason: { code: 'closure-missing' } });
  const text = await putDocument(evidence, { schema: 'else' }, NIX_COMPONENT_MEDIA_TYPE);
  await asWorker((tx) => insertEvidence(tx, text));
  const other = { ...nobody, digest: text.digest };
  expect(await decide([other])).toMatchObject({ reason: { code: 'closure-missing' } });
});

test('what another step calls its findings is none: the image beside it is denied', async () => {
  const image = { name: 'web', kind: 'oci', digest: digestOfBytes('image'), version: '1' } as const;
  const findings = await putDocument(evidence, { secrets: [], misconfigurations: [] }, 'x');
  const sbom = await putDocument(evidence, { components: [] }, 'x');
  const named = (step: string) => ({
    [`${step}.findings`]: findings.digest,
    [`${step}.sbom`]: sbom.digest,
  });
  expect(await decide([image], named('mine'))).toMatchObject({
    outcome: 'denied',
    reason: { code: 'input-missing:findings' },
  });
  expect(await decide([image], named('scan'))).toMatchObject({ outcome: 'succeeded' });
});

test('nothing is judged before the release is made', async () => {
  await withTenant(scene.app, SCENE_TENANT, (tx) =>
    insertRelease(tx, { release: NOTHING_RELEASE, createdBy: 'sluice' }),
  );
  expect(await decideOn(NOTHING_DIGEST)).toMatchObject({
    outcome: 'failed',
    reason: { code: 'release-not-made' },
  });
});
