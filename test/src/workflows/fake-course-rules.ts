import type { Course, CourseStep, ResolvedMatrix, StepQueue, StepTypeRef } from '@sluice/domain';
import { COURSE_SCHEMA } from '@sluice/domain';
import { digestOf } from '@sluice/pure';
import type { FrozenRules } from '@sluice/temporal-contract';
import { composeRules } from './fake-rules.ts';

/** Tried once, so that a test waits for nothing. */
const ONCE = {
  attempts: 1,
  backoffSeconds: 0.1,
  factor: 1,
  maxBackoffSeconds: 0.1,
  terminal: [],
};

/** A step of a course that does nothing, with what a test says otherwise; types get what their manifests say of them. */
export function step(
  id: string,
  changes: Partial<Omit<CourseStep, 'id' | 'type'>> & { readonly type?: StepTypeRef } = {},
): CourseStep {
  const type = changes.type ?? 'noop@1';
  return {
    id,
    needs: [],
    timeoutSeconds: 60,
    retry: ONCE,
    inputs: {},
    ...queueOf(type),
    ...(OF_TYPE[type] ?? {}),
    ...changes,
    type,
  };
}

const ALL_TARGETS: ResolvedMatrix = {
  over: { targets: {} },
  maxParallel: 100,
  failFast: false,
  policy: 'all',
};

const QUEUE_OF: Readonly<Record<string, StepQueue>> = {
  'noop@1': 'control',
  'plan@1': 'control',
  'release@1': 'control',
  'scan@1': 'scan',
  'gate@1': 'gate',
  'deploy@1': 'deploy',
  'rollout@1': 'deploy',
  'verify@1': 'verify',
  'script@1': 'script',
};

function queueOf(type: StepTypeRef): Pick<CourseStep, 'queue'> {
  const queue = QUEUE_OF[type];
  return queue === undefined ? {} : { queue };
}

const DEPLOYING: Partial<CourseStep> = {
  matrix: ALL_TARGETS,
  changesTargets: true,
  compensate: true,
  compensationSeconds: 60,
};

const OF_TYPE: Readonly<Record<string, Partial<CourseStep>>> = {
  'deploy@1': DEPLOYING,
  'rollout@1': DEPLOYING,
  'verify@1': { matrix: ALL_TARGETS },
  'script@1': { compensate: true, compensationSeconds: 60 },
  'approval@1': { control: true, reads: ['plan'] },
  'wait@1': { control: true, timeoutSeconds: 2_592_060 },
};

/** A matrix over values with what a test changes. */
export function matrix(changes: Partial<ResolvedMatrix> = {}): ResolvedMatrix {
  return {
    over: { values: [] },
    maxParallel: 10,
    failFast: false,
    policy: 'all',
    ...changes,
  };
}

/** Rules of form 3 over these steps, with what a test changes. */
export function composeCourseRules(
  steps: readonly CourseStep[],
  changes: Partial<FrozenRules> & { readonly failFast?: boolean } = {},
): FrozenRules {
  const { failFast = true, ...rest } = changes;
  const pipeline: Course = { schema: COURSE_SCHEMA, name: 'team', version: 1, failFast, steps };
  return composeRules({
    form: 3,
    pipeline,
    begun: true,
    undoesEarlierRuns: true,
    parameters: {},
    facts: {
      promotion: { id: 'dev/1', environment: 'dev', kind: 'promote' },
      release: { id: digestOf('release'), name: 'shop', version: '1.0.0' },
      environment: { name: 'dev' },
    },
    ...rest,
  });
}
