import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  composeCourse,
  DEFAULT_DEADLINES,
  type InputValue,
  NOTHING_RELEASE,
  PIPELINE_TEMPLATE_SCHEMA,
  parseStepType,
  type ResolvedPipeline,
  type ResolvedStep,
  type StepType as StepManifest,
} from '@sluice/domain';
import { createFolderStore } from '@sluice/evidence-store';
import { createLogger } from '@sluice/observability';
import {
  getPolicy,
  insertMembers,
  insertRelease,
  insertResolvedPipeline,
  insertSteps,
  setPromotionState,
  storeRules,
  withTenant,
} from '@sluice/persistence';
import { BUILT_IN_STEP_TYPES, resolvedPipelineDigest } from '@sluice/pipeline';
import { digestOf, releaseDigest } from '@sluice/pure';
import type { ExecuteStepInput, FrozenRules } from '@sluice/temporal-contract';
import { createInMemorySigner } from './in-memory-signer.ts';
import { createPromotionScene, SCENE_TENANT, SCENE_TRACEPARENT } from './promotion-scene.ts';
import {
  type FixtureRun,
  ONE_STEP,
  type OpenStepFixture,
  type StepFixture,
  type StepFixtureRoom,
} from './step-fixture.ts';

/** A step type in its world, and promotions whose one step is of it. */
export interface ConformanceRoom extends StepFixtureRoom {
  readonly fixture: OpenStepFixture;
  readonly manifest: StepManifest;
  /** A frozen promotion whose one step runs this; what the interpreter would give for it. */
  begin(run: FixtureRun): Promise<ExecuteStepInput>;
  close(): Promise<void>;
}

/** Opens a fixture on a database of its own; close it at the end. */
export async function openConformanceRoom(fixture: StepFixture): Promise<ConformanceRoom> {
  const manifest = BUILT_IN_STEP_TYPES.get(fixture.type);
  if (manifest === undefined) throw new Error(`${fixture.type} has no manifest.`);
  const folder = await mkdtemp(join(tmpdir(), 'sluice-conformance-'));
  const scene = await createPromotionScene();
  const release = await scene.addRelease('1.0.0');
  const nothing = releaseDigest(NOTHING_RELEASE);
  await withTenant(scene.app, SCENE_TENANT, (tx) =>
    insertRelease(tx, { release: NOTHING_RELEASE, createdBy: 'sluice' }),
  );
  const room: StepFixtureRoom = {
    tenantId: SCENE_TENANT,
    scene,
    parts: {
      pool: scene.worker,
      evidence: createFolderStore(join(folder, 'evidence')),
      signer: createInMemorySigner(),
      logger: createLogger({ service: 'test', level: 'silent' }),
    },
    folder: join(folder),
  };
  const open = await fixture.open(room);
  return {
    ...room,
    fixture: open,
    manifest,
    begin: async (run) => {
      const { promotionId } = await scene.addPromotion(run.makesRelease ? nothing : release);
      const promotion = { tenantId: SCENE_TENANT, promotionId };
      const rules = await withTenant(scene.worker, SCENE_TENANT, async (tx) => {
        const pipeline = pipelineOf(manifest, run);
        const pipelineDigest = resolvedPipelineDigest(pipeline);
        await insertResolvedPipeline(tx, { digest: pipelineDigest, body: pipeline });
        const frozen: Omit<FrozenRules, 'rulesDigest'> = {
          releaseDigest: run.makesRelease ? nothing : release,
          pipeline: composeCourse(pipeline, BUILT_IN_STEP_TYPES, new Map()),
          pipelineDigest,
          policyDigest: (await getPolicy(tx, 'release-gate')).policyDigest,
          targets: ['dev-1'],
          deadlines: { ...DEFAULT_DEADLINES, verifySeconds: 60 },
          form: 3,
          kind: 'promote',
          approval: null,
          predecessors: [],
          requester: { principalId: 'alice', personId: 'alice' },
          parameters: {},
        };
        const stored = await storeRules(tx, promotionId, {
          ...frozen,
          rulesDigest: digestOf(frozen),
        });
        await tx.query(`delete from sluice.lease_queue`);
        await insertSteps(tx, promotionId, stored.pipeline.steps);
        await setPromotionState(tx, { promotionId, state: 'running' });
        if (run.onTarget) {
          const value = { name: 'dev-1', labels: {} };
          const members = [{ key: 'dev-1', target: 'dev-1', value }];
          await insertMembers(tx, { promotionId, stepId: ONE_STEP, round: 1 }, members);
        }
        return stored;
      });
      await open.before?.(promotionId, run);
      return {
        ...parseStepType(fixture.type),
        promotion,
        stepId: ONE_STEP,
        ...(run.onTarget ? { member: { index: 0, key: 'dev-1' }, target: 'dev-1' } : {}),
        wants: ['*'],
        inputDigests: { release: rules.releaseDigest, rules: rules.rulesDigest },
        scheduledAt: '2026-11-21T12:00:00Z',
        traceparent: SCENE_TRACEPARENT,
      };
    },
    close: async () => {
      await open.close();
      await scene.database.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function pipelineOf(manifest: StepManifest, run: FixtureRun): ResolvedPipeline {
  const step: ResolvedStep = {
    id: ONE_STEP,
    type: `${manifest.type}@${manifest.version}`,
    needs: [],
    when: 'success',
    inputs: Object.fromEntries(
      Object.entries(run.inputs).map(([name, value]) => [name, wiredAs(value as InputValue)]),
    ),
    // Each failure is the last one.
    retry: { attempts: 1, backoffSeconds: 1, factor: 2, maxBackoffSeconds: 300, terminal: [] },
    timeoutSeconds: manifest.timeoutSeconds,
    continueOnFailure: false,
    compensate: manifest.compensation !== null,
    ...(run.onTarget && !manifest.perTarget
      ? { matrix: { over: { targets: {} }, maxParallel: 1, failFast: false, policy: 'all' } }
      : {}),
  };
  return {
    schema: PIPELINE_TEMPLATE_SCHEMA,
    name: 'conformance',
    version: 1,
    parameters: {},
    steps: [step],
    failFast: true,
  };
}

/** A secret is a name wherever it stands; everything else is itself. */
function wiredAs(value: InputValue): InputValue {
  const isSecret = typeof value === 'object' && value !== null && 'secret' in value;
  return isSecret ? value : { literal: value as never };
}
