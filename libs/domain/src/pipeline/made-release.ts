import { type PipelineStep, parseStepType } from '../pipeline.ts';
import type { CourseStep } from './course.ts';

/** Types of steps that work on the promotion's release. */
export const RELEASE_BOUND_TYPES: ReadonlySet<string> = new Set([
  'scan',
  'gate',
  'plan',
  'approval',
  'deploy',
  'rollout',
  'verify',
]);

/** The members of a step that say how it runs; those of templates, resolved steps and courses are alike. */
export type ReleaseStep = Pick<PipelineStep, 'id' | 'type' | 'needs'> &
  Partial<Pick<CourseStep, 'when' | 'if' | 'matrix'>> & { readonly continueOnFailure?: boolean };

/** What keeps a pipeline from making its release; the message says what to write. */
export interface MadeReleaseProblem {
  readonly code:
    | 'release-made-twice'
    | 'release-made-in-matrix'
    | 'release-made-uncertainly'
    | 'release-not-made-yet';
  /** The step that it is said of. */
  readonly stepId: string;
  readonly message: string;
}

/** The step that makes the promotion's release; undefined of a promotion that is asked for with one. */
export function findReleaseStep<Step extends Pick<PipelineStep, 'type'>>(
  steps: readonly Step[],
): Step | undefined {
  return steps.find(({ type }) => typeOf(type) === 'release');
}

/**
 * What is wrong with how a pipeline makes its release, in the pipeline's order; none where it makes none. It is made once, by a step that
 * is not skipped while the pipeline goes on, and before every step that works on the promotion's release: so everything that is decided,
 * planned, approved and deployed is of the one release that was made.
 * @param steps rendered: without sub-pipelines, every need is there
 */
export function listMadeReleaseProblems(
  steps: readonly ReleaseStep[],
): readonly MadeReleaseProblem[] {
  const [maker, ...others] = steps.filter(({ type }) => typeOf(type) === 'release');
  if (maker === undefined) return [];
  const problems: MadeReleaseProblem[] = others.map(({ id }) => ({
    code: 'release-made-twice',
    stepId: id,
    message: `Step ${id} makes a second release: a promotion has one, and step ${maker.id} makes it. Take one of them out.`,
  }));
  if (maker.matrix !== undefined) {
    const message = `Step ${maker.id} makes the promotion's release, which is one: take its matrix out.`;
    problems.push({ code: 'release-made-in-matrix', stepId: maker.id, message });
  }
  const isSure = (maker.when ?? 'success') === 'success' && maker.if === undefined;
  if (!isSure || maker.continueOnFailure === true) {
    const message = `Step ${maker.id} makes the promotion's release, and may be skipped or fail without stopping the pipeline: take if, when and continueOnFailure out.`;
    problems.push({ code: 'release-made-uncertainly', stepId: maker.id, message });
  }
  const after = listAfter(steps, maker.id);
  for (const { id, type } of steps) {
    if (!RELEASE_BOUND_TYPES.has(typeOf(type)) || after.has(id)) continue;
    const message = `Step ${id} (${type}) works on the promotion's release, and does not come after step ${maker.id}, which makes it: add ${maker.id} to its needs.`;
    problems.push({ code: 'release-not-made-yet', stepId: id, message });
  }
  return problems;
}

/** Steps that need this one, directly or not. */
function listAfter(
  steps: readonly Pick<PipelineStep, 'id' | 'needs'>[],
  from: string,
): ReadonlySet<string> {
  const neededBy = new Map<string, string[]>();
  for (const { id, needs } of steps) {
    for (const need of needs) {
      const known = neededBy.get(need);
      if (known === undefined) neededBy.set(need, [id]);
      else known.push(id);
    }
  }
  const found = new Set<string>();
  const open = [from];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    for (const next of neededBy.get(id) ?? []) {
      if (found.has(next)) continue;
      found.add(next);
      open.push(next);
    }
  }
  return found;
}

/** What is no step type makes nothing; that it is none is said elsewhere. */
function typeOf(ref: string): string {
  return /^[a-z0-9-]+@[1-9][0-9]*$/.test(ref) ? parseStepType(ref).type : '';
}
