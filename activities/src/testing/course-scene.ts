import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type JsonValue,
  PIPELINE_TEMPLATE_SCHEMA,
  type PipelineTemplate,
  parseStepType,
  type StepTemplate,
} from '@sluice/domain';
import { createFolderStore, type EvidenceStore } from '@sluice/evidence-store';
import { createLogger } from '@sluice/observability';
import { publishPipeline, withTenant } from '@sluice/persistence';
import type {
  ExecuteStepInput,
  FrozenRules,
  InterpreterActivities,
  PromotionRef,
  ShardActivities,
  StepActivities,
} from '@sluice/temporal-contract';
import type { ActivityScope } from '../activity-scope.ts';
import { createMatrixActivities } from '../records/matrix.activities.ts';
import { createRulesActivities } from '../records/rules.activities.ts';
import { createStateActivities } from '../records/state.activities.ts';
import { createStepActivities } from '../step/execute-step.ts';
import { createFrozenCourses } from '../step/frozen-course.ts';
import { createStepRegistry } from '../step/step-registry.ts';
import type { StepType } from '../step/step-type.ts';
import { createFakeScope } from './fake-scope.ts';
import {
  createPromotionScene,
  type PromotionScene,
  SCENE_TENANT,
  SCENE_TRACEPARENT,
  type SceneOptions,
} from './promotion-scene.ts';

/** Activities of a worker that runs these step types. */
export type CourseActivities = StepActivities &
  ShardActivities &
  Pick<
    InterpreterActivities,
    'freezeRules' | 'expandMatrix' | 'recordMembers' | 'recordSteps' | 'recordStep'
  >;

/** A promotion of a team's pipeline, frozen. */
export interface BegunCourse {
  readonly promotion: PromotionRef;
  readonly rules: FrozenRules;
  /** What the interpreter would give for a step; `more` goes before. */
  input(stepId: string, more?: Partial<ExecuteStepInput>): ExecuteStepInput;
}

/** A scene whose environment `dev` runs pipelines of a team. */
export interface CourseScene {
  readonly scene: PromotionScene;
  readonly evidence: EvidenceStore;
  /** Where it lies. */
  readonly evidenceFolder: string;
  readonly release: string;
  /** @param scope of every attempt */
  activities(types: readonly StepType[], scope?: Partial<ActivityScope>): CourseActivities;
  /** Publishes the next version of the pipeline of `dev`, asks for a promotion, and freezes its rules. */
  begin(
    template: Omit<PipelineTemplate, 'schema' | 'name' | 'version' | 'steps'> & {
      readonly steps: readonly StepTemplate[];
    },
    parameters?: Readonly<Record<string, JsonValue>>,
  ): Promise<BegunCourse>;
  close(): Promise<void>;
}

/** The pipeline that `dev` runs. */
export const COURSE_PIPELINE = 'shop';

/** A template of the scene's pipeline. */
export function courseTemplate(
  version: number,
  steps: readonly StepTemplate[],
  more: Partial<PipelineTemplate> = {},
): PipelineTemplate {
  return { schema: PIPELINE_TEMPLATE_SCHEMA, name: COURSE_PIPELINE, version, steps, ...more };
}

/** Makes a scene on a database of its own; close it at the end. */
export async function createCourseScene(options: SceneOptions = {}): Promise<CourseScene> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-course-'));
  const evidence = createFolderStore(folder);
  const scene = await createPromotionScene({
    pipeline: courseTemplate(1, [{ id: 'nothing', type: 'noop@1' }]),
    ...options,
  });
  const release = await scene.addRelease('1.0.0');
  const parts = {
    pool: scene.worker,
    evidence,
    logger: createLogger({ service: 'test', level: 'silent' }),
    scope: () => createFakeScope(),
  };
  let version = 1;
  return {
    scene,
    evidence,
    evidenceFolder: folder,
    release,
    activities: (types, scope = {}) => {
      const scoped = { ...parts, scope: () => createFakeScope(scope) };
      const courses = createFrozenCourses();
      return {
        ...createRulesActivities(scoped),
        ...createStateActivities(scoped),
        ...createMatrixActivities(scoped, courses),
        ...createStepActivities(scoped, createStepRegistry(types), courses),
      };
    },
    begin: async ({ steps, ...template }, parameters = {}) => {
      version += 1;
      await withTenant(scene.app, SCENE_TENANT, (tx) =>
        publishPipeline(tx, {
          template: courseTemplate(version, steps, template),
          publishedBy: 'alice',
        }),
      );
      const { promotionId } = await scene.addPromotion(release, { parameters });
      const promotion = { tenantId: SCENE_TENANT, promotionId };
      const rules = await createRulesActivities(parts).freezeRules({ promotion });
      return { promotion, rules, input: inputOf(promotion, rules) };
    },
    close: async () => {
      await scene.database.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function inputOf(promotion: PromotionRef, rules: FrozenRules): BegunCourse['input'] {
  return (stepId, more = {}) => {
    const step = rules.pipeline.steps.find(({ id }) => id === stepId);
    if (step === undefined) throw new Error(`No step ${stepId}.`);
    return {
      ...parseStepType(step.type),
      promotion,
      stepId,
      inputDigests: { release: rules.releaseDigest, rules: rules.rulesDigest },
      scheduledAt: '2026-11-21T12:00:00Z',
      traceparent: SCENE_TRACEPARENT,
      ...more,
    };
  };
}
