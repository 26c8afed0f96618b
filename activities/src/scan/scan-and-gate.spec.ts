import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { builtInPolicyDir, createDecisionEngine } from '@sluice/decision';
import type { Decision } from '@sluice/domain';
import { createFolderStore } from '@sluice/evidence-store';
import { createLogger } from '@sluice/observability';
import { packLayer, writeLayout } from '@sluice/oci';
import {
  findDecision,
  getRelease,
  hasEvidence,
  listStatements,
  listSteps,
  type PromotionRecord,
  withTenant,
} from '@sluice/persistence';
import type { ExecuteStepInput, StepResult } from '@sluice/temporal-contract';
import type { DecisionEngine } from '../gate/decision-engine.ts';
import { createGateStep } from '../gate/gate.step.ts';
import { createRulesActivities } from '../records/rules.activities.ts';
import { createReleaseRecordActivities } from '../release/record.activities.ts';
import { createResolveActivities } from '../release/resolve.activities.ts';
import { createStepActivities } from '../step/execute-step.ts';
import { createStepRegistry } from '../step/step-registry.ts';
import { createFakeScope } from '../testing/fake-scope.ts';
import { createInMemorySigner } from '../testing/in-memory-signer.ts';
import {
  createPromotionScene,
  type PromotionScene,
  SCENE_TENANT,
  SCENE_TRACEPARENT,
} from '../testing/promotion-scene.ts';
import type { ImageScanner, ScannableImage } from './image-scanner.ts';
import { createScanStep } from './scan.step.ts';

const folder = await mkdtemp(join(tmpdir(), 'sluice scan gate '));
const layout = join(folder, 'samples');
const evidence = createFolderStore(join(folder, 'evidence'));
const signer = createInMemorySigner();
const engine = await createDecisionEngine({ policyDir: builtInPolicyDir('release-gate') });
let scene: PromotionScene;

beforeAll(async () => {
  const file = (path: string, content: string) => ({ type: 'file' as const, path, content });
  const clean = await packLayer([file('server.mjs', 'console.log(1)')]);
  const leak = await packLayer([file('deploy.key', 'secret')]);
  await writeLayout(layout, [
    { tag: '1.0.0', layers: [clean], cmd: ['node', 'server.mjs'] },
    { tag: '1.1.0', layers: [clean, leak], cmd: ['node', 'server.mjs'] },
  ]);
  scene = await createPromotionScene({ layout, policyDigest: engine.policyDigest });
});
afterAll(async () => {
  await engine.close();
  await scene.database.drop();
  await rm(folder, { recursive: true, force: true });
});

/** Finds a secret in images with two layers; looks at nothing else. */
const fakeScanner: ImageScanner = {
  scan: async (image) => ({
    scanner: { name: 'fake', version: '1' },
    secrets: (await countLayers(image)) < 2 ? [] : [secretIn(image)],
    misconfigurations: [],
    packages: 1,
    report: { about: image.digest },
    sbom: { bomFormat: 'CycloneDX', components: [{ name: 'left' }] },
  }),
};

describe('release', () => {
  test('a tag becomes a digest, its blobs lie in the evidence store, the release is stored once', async () => {
    const resolved = await resolve('1.0.0');
    if (!resolved.ok) throw new Error(resolved.message);
    expect(resolved.component).toMatchObject({ name: 'web', kind: 'oci', version: '1.0.0' });
    expect(await evidence.has(resolved.component.digest)).toBe(true);
    const isKnown = await withTenant(scene.worker, SCENE_TENANT, (tx) =>
      hasEvidence(tx, resolved.component.digest),
    );
    expect(isKnown).toBe(true);
    const { recordRelease } = createReleaseRecordActivities(parts());
    const request = await addRequest('r-1');
    const first = await recordRelease({ request, components: [resolved.component] });
    expect(await recordRelease({ request, components: [resolved.component] })).toEqual(first);
    const again = await addRequest('r-2');
    expect(await recordRelease({ request: again, components: [resolved.component] })).toEqual(
      first,
    );
    const other = await resolve('1.1.0');
    if (!other.ok) throw new Error(other.message);
    const taken = await recordRelease({
      request: await addRequest('r-3'),
      components: [other.component],
    });
    expect(taken).toMatchObject({ ok: false, code: 'release-version-taken' });
    const empty = await recordRelease({ request: await addRequest('r-4'), components: [] });
    expect(empty).toMatchObject({ ok: false, code: 'release-without-components' });
  });

  test.each([
    ['an unknown tag', 'web', '9.9.9', 'tag-not-found'],
    ['an unknown digest', 'web', `sha256:${'0'.repeat(64)}`, 'digest-not-found'],
    ['an unknown source', 'elsewhere', '1.0.0', 'source-unknown'],
  ])('%s is refused and shows no path', async (_what, source, reference, code) => {
    const answer = await resolve(reference, source === 'web' ? 'samples' : source);
    expect(answer).toMatchObject({ ok: false, code });
    expect(JSON.stringify(answer)).not.toContain(folder);
  });

  test('a layer whose bytes do not match its digest is refused', async () => {
    const broken = join(folder, 'broken');
    const packed = await packLayer([{ type: 'file', path: 'x', content: 'unique bytes' }]);
    await writeLayout(broken, [{ tag: '1', layers: [packed], cmd: ['x'] }]);
    const blob = join(broken, 'blobs', 'sha256', packed.digest.slice(7));
    await writeFile(blob, Buffer.from(packed.bytes).fill(1));
    const own = await createPromotionScene({ layout: broken });
    try {
      const { resolveComponent } = createResolveActivities({ ...parts(), pool: own.worker });
      const component = { name: 'web', source: 'samples', reference: '1' };
      const answer = await resolveComponent({ tenantId: SCENE_TENANT, component });
      expect(answer).toMatchObject({ ok: false, code: 'blob-digest-mismatch' });
      expect(await evidence.has(packed.digest)).toBe(false);
      // What another tenant has in the store is not had by naming it.
      await evidence.put(packed.bytes, { maxBytes: 1 << 20 });
      await rm(blob);
      expect(await resolveComponent({ tenantId: SCENE_TENANT, component })).toMatchObject({
        ok: false,
      });
      const isOwn = withTenant(own.worker, SCENE_TENANT, (tx) => hasEvidence(tx, packed.digest));
      expect(await isOwn).toBe(false);
    } finally {
      await own.database.drop();
    }
  });
});

describe('scan and gate', () => {
  test('a clean release is allowed; both steps leave a signed statement and repeat nothing', async () => {
    const promotion = await promote('1.0.0', 'clean-1');
    const scanned = await step(promotion, 'scan', {});
    expect(scanned).toMatchObject({ outcome: 'succeeded', reason: null });
    expect(Object.keys(scanned.outputs).sort()).toEqual(['findings', 'report', 'sbom']);
    const never: ImageScanner = { scan: () => Promise.reject(new Error('scanned twice')) };
    expect(await step(promotion, 'scan', {}, { scanner: never })).toEqual(scanned);
    const decided = await step(promotion, 'gate', scanned.outputs);
    expect(decided).toMatchObject({ outcome: 'succeeded' });
    expect(await step(promotion, 'gate', scanned.outputs)).toEqual(decided);
    const { statements, steps } = await recordsOf(promotion);
    expect(statements.map(({ predicateType }) => predicateType)).toEqual([
      'urn:sluice:scan:v1',
      'urn:sluice:decision:v1',
    ]);
    expect(steps.slice(0, 2).map(({ state }) => state)).toEqual(['succeeded', 'succeeded']);
  });

  test('a secret is denied, with the finding and what to do; the step has failed', async () => {
    const promotion = await promote('1.1.0', 'leak-1');
    const scanned = await step(promotion, 'scan', {});
    const decided = await step(promotion, 'gate', scanned.outputs);
    expect(decided).toMatchObject({
      outcome: 'denied',
      reason: { code: 'secret-found', message: expect.stringContaining('/deploy.key') },
    });
    const { steps, decision } = await recordsOf(promotion);
    expect(steps[1]).toMatchObject({ state: 'failed', reason: { code: 'secret-found' } });
    expect(decision?.body.evaluatedAt).toBe('2026-11-21T12:00:00Z');
  });

  test('without findings the gate denies', async () => {
    const promotion = await promote('1.0.0', 'missing-1');
    expect(await step(promotion, 'gate', {})).toMatchObject({
      outcome: 'denied',
      reason: { code: expect.stringMatching(/^input-missing:/) },
    });
  });

  test('a retry after the decision was stored takes that decision', async () => {
    const promotion = await promote('1.0.0', 'retry-1');
    const scanned = await step(promotion, 'scan', {});
    const gone = {
      ...signer,
      signStatement: () =>
        Promise.reject(Object.assign(new Error('away'), { code: 'signer-unavailable' })),
    };
    await expect(step(promotion, 'gate', scanned.outputs, { signer: gone })).rejects.toMatchObject({
      type: 'Unavailable',
      nonRetryable: false,
    });
    const other: DecisionEngine = { evaluate: () => Promise.reject(new Error('decided twice')) };
    const decided = await step(promotion, 'gate', scanned.outputs, { decisions: other });
    expect(decided.outcome).toBe('succeeded');
  });

  test('a policy that is not there is a terminal failure, never a decision', async () => {
    const promotion = await promote('1.0.0', 'policy-1');
    const decisions: DecisionEngine = {
      evaluate: (): Promise<Decision> =>
        Promise.reject(Object.assign(new Error('no bundle'), { code: 'policy-missing' })),
    };
    await expect(step(promotion, 'gate', {}, { decisions })).rejects.toMatchObject({
      type: 'PolicyUnavailable',
      nonRetryable: true,
    });
    expect((await recordsOf(promotion)).decision).toBeUndefined();
  });
});

function parts() {
  return {
    pool: scene.worker,
    evidence,
    signer,
    scanner: fakeScanner,
    decisions: engine,
    logger: createLogger({ service: 'test', level: 'silent' }),
    scope: () => createFakeScope(),
  };
}

function resolve(reference: string, source = 'samples') {
  const component = { name: 'web', source, reference };
  return createResolveActivities(parts()).resolveComponent({ tenantId: SCENE_TENANT, component });
}

async function addRequest(requestId: string) {
  await scene.database.query(
    `insert into sluice.release_requests (tenant_id, request_id, state, body, requested_by)
     values ('acme', $1, 'resolving', '{}', 'alice')`,
    [requestId],
  );
  return {
    tenantId: SCENE_TENANT,
    requestId,
    name: 'hello',
    version: '1.0.0',
    components: [],
    requestedBy: 'alice',
    traceparent: SCENE_TRACEPARENT,
  };
}

async function promote(tag: string, version: string): Promise<PromotionRecord> {
  const resolved = await resolve(tag);
  if (!resolved.ok) throw new Error(resolved.message);
  const promotion = await scene.addPromotion(
    await scene.addRelease(version, resolved.component.digest),
  );
  await createRulesActivities(parts()).freezeRules({
    promotion: { tenantId: SCENE_TENANT, promotionId: promotion.promotionId },
  });
  return promotion;
}

function step(
  { promotionId, releaseDigest }: PromotionRecord,
  stepId: 'scan' | 'gate',
  outputs: Readonly<Record<string, string>>,
  replaced: object = {},
): Promise<StepResult> {
  const dependencies = { ...parts(), ...replaced };
  const registry = createStepRegistry([createScanStep(dependencies), createGateStep(dependencies)]);
  const digests = Object.entries(outputs).map(([name, digest]) => [`scan.${name}`, digest]);
  const input: ExecuteStepInput = {
    type: stepId,
    version: 1,
    promotion: { tenantId: SCENE_TENANT, promotionId },
    stepId,
    inputDigests: { release: releaseDigest, ...Object.fromEntries(digests) },
    scheduledAt: '2026-11-21T12:00:00Z',
    traceparent: SCENE_TRACEPARENT,
  };
  return createStepActivities(dependencies, registry).executeStep(input);
}

function recordsOf({ promotionId, releaseDigest }: PromotionRecord) {
  return withTenant(scene.worker, SCENE_TENANT, async (tx) => ({
    release: await getRelease(tx, releaseDigest),
    statements: await listStatements(tx, promotionId),
    steps: await listSteps(tx, promotionId),
    decision: await findDecision(tx, promotionId),
  }));
}

async function countLayers({ digest }: ScannableImage): Promise<number> {
  const bytes = await evidence.getBytes(digest, { maxBytes: 1e6 });
  return (JSON.parse(new TextDecoder().decode(bytes)) as { layers: unknown[] }).layers.length;
}

function secretIn({ component }: ScannableImage) {
  return {
    component,
    rule: 'private-key',
    title: 'Asymmetric Private Key',
    severity: 'HIGH' as const,
    path: '/deploy.key',
    layerDigest: null,
    startLine: 1,
  };
}
