import {
  type ApprovalRule,
  type CourseStep,
  composeCourse,
  parseStepType,
  type ResolvedPipeline,
  type ResolvedStep,
  type StepType,
  type Target,
} from '@sluice/domain';
import {
  BUILT_IN_STEP_TYPES,
  conditionText,
  durationText,
  finaleSteps,
  layersOf,
  stepKind,
} from '@sluice/pipeline';
import { compileCel, evaluateIf, PIPELINE_VARIABLES, type PipelineScope } from '@sluice/pure';
import { type PreviewMembers, previewMembers } from './preview-members.ts';

/** What the steps of a promotion would be looked at with. */
export interface PreviewFacts {
  readonly pipeline: ResolvedPipeline;
  readonly targets: readonly Pick<Target, 'name' | 'labels'>[];
  readonly policy: string;
  readonly approval: ApprovalRule;
  /** What is known before it begins. */
  readonly scope: PipelineScope;
}

/** A step as it would run, and the targets that it would change. */
export interface PreviewedStep {
  readonly view: ReturnType<typeof viewOf>;
  readonly changedTargets: readonly string[];
}

/** The steps in an order in which they can run: layer by layer, and what is decided at the end behind them. */
export function previewSteps(facts: PreviewFacts): readonly PreviewedStep[] {
  const { pipeline } = facts;
  const course = new Map(
    composeCourse(pipeline, BUILT_IN_STEP_TYPES, new Map()).steps.map((step) => [step.id, step]),
  );
  const { ordinary, finale } = finaleSteps(pipeline.steps);
  const placed = [
    ...layersOf(ordinary).layers.flatMap((layer, at) =>
      layer.map((step) => ({ step, at: at + 1 })),
    ),
    ...layersOf(finale)
      .layers.flat()
      .map((step) => ({ step, at: 0 })),
  ];
  return placed.flatMap(({ step, at }) => {
    const type = BUILT_IN_STEP_TYPES.get(step.type);
    const run = course.get(step.id);
    if (type === undefined || run === undefined) return [];
    const members = previewMembers(run, facts.targets, facts.scope);
    const view = viewOf(facts, step, { run, type, layer: at, members });
    return [{ view, changedTargets: type.changesTargets ? members.targets : [] }];
  });
}

interface Placed {
  readonly run: CourseStep;
  readonly type: StepType;
  readonly layer: number;
  readonly members: PreviewMembers;
}

function viewOf(facts: PreviewFacts, step: ResolvedStep, { run, type, layer, members }: Placed) {
  const { id, description, needs, timeoutSeconds, retry } = step;
  return {
    id,
    type: step.type,
    description: description ?? null,
    title: type.title,
    kind: (run.matrix === undefined ? stepKind(step) : 'matrix').toUpperCase(),
    layer,
    needs,
    condition: conditionText(step),
    if: step.if ?? null,
    skipped: isSkipped(step, facts.scope),
    asks: asksOf(step, facts),
    members: members.members,
    memberCount: members.memberCount,
    membersFrom: members.membersFrom,
    maxParallel: run.matrix?.maxParallel ?? null,
    timeoutSeconds,
    attempts: retry.attempts,
    longestSeconds: longestOf(run, members),
    concurrencyGroup: step.concurrencyGroup ?? null,
    continueOnFailure: step.continueOnFailure,
    undoes: run.compensate === true ? (type.compensation?.undoes ?? null) : null,
    guarantee: type.effect === 'none' ? null : type.effect,
  };
}

function asksOf({ type }: ResolvedStep, { policy, approval }: PreviewFacts): string | null {
  switch (parseStepType(type).type) {
    case 'gate':
      return `policy ${policy}`;
    case 'approval': {
      const { count, roles, deadlineSeconds } = approval;
      const what = count === 1 ? '1 approval' : `${count} approvals`;
      return `${what} of ${roles.join(' or ')} within ${durationText(deadlineSeconds)}`;
    }
    default:
      return null;
  }
}

/** Largest whole number that the schema's `Int` holds. */
const MAX_INT = 2_147_483_647;

/** All attempts to their timeout with the pauses between, for as many rows of members as there are. */
function longestOf({ timeoutSeconds, retry, matrix }: CourseStep, members: PreviewMembers) {
  let seconds = timeoutSeconds * retry.attempts;
  let pause = retry.backoffSeconds;
  for (let attempt = 1; attempt < retry.attempts; attempt += 1) {
    seconds += Math.min(pause, retry.maxBackoffSeconds);
    pause *= retry.factor;
  }
  if (matrix === undefined) return Math.min(MAX_INT, Math.ceil(seconds));
  if (members.memberCount === null) return null;
  const rows = Math.ceil(members.memberCount / matrix.maxParallel);
  return Math.min(MAX_INT, Math.ceil(seconds * rows));
}

const KNOWN_ROOTS: ReadonlySet<string> = new Set(['parameters', 'environment', 'release']);

function isSkipped({ if: condition }: ResolvedStep, scope: PipelineScope): boolean {
  if (condition === undefined) return false;
  const compiled = compileCel(condition, { variables: PIPELINE_VARIABLES });
  const isKnown =
    compiled.ok && compiled.references.every(({ path }) => KNOWN_ROOTS.has(path[0] ?? ''));
  if (!isKnown) return false;
  const result = evaluateIf(condition, scope);
  return result.ok && !result.value;
}
