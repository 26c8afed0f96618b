import { COURSE_SCHEMA, isDeployment, type Statement } from '@sluice/domain';
import { isJsonObject } from './strict-json.ts';

/** One step of a pipeline as data, as the promotion statement has it. */
interface SealedStep {
  readonly id: string;
  /** `deploy` of `deploy@1`. */
  readonly type: string;
  readonly needs: readonly string[];
  readonly changesTargets: boolean;
  /** Undefined where the statement says none. */
  readonly state: string | undefined;
}

/**
 * True where the approval that a promotion's rules ask for had to be given: in the pipelines that Sluice brings always; in one of a team's own when
 * an approval of it succeeded, or a step that changes targets was not skipped and needs an approval, directly or not. What cannot be read, and
 * deployments by no step, have to be approved.
 * @param predicate of the promotion statement
 */
export function isApprovalBinding(
  predicate: Statement['predicate'],
  hasDeployments: boolean,
): boolean {
  const rules = predicate['rules'];
  const pipeline = isJsonObject(rules) ? rules['pipeline'] : undefined;
  if (!isJsonObject(pipeline) || pipeline['schema'] !== COURSE_SCHEMA) return true;
  const steps = readSteps(pipeline['steps'], predicate['steps']);
  if (steps === undefined) return true;
  if (steps.some(({ type, state }) => type === 'approval' && state === 'succeeded')) return true;
  const changing = steps.filter((step) => step.changesTargets && step.state !== 'skipped');
  if (changing.length === 0) return hasDeployments;
  return changing.some((step) => needsApproval(steps, step));
}

function needsApproval(steps: readonly SealedStep[], { needs }: SealedStep): boolean {
  const byId = new Map(steps.map((step) => [step.id, step]));
  const seen = new Set<string>();
  const open = [...needs];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    const step = byId.get(id);
    // Of a step that is not there nobody knows what it was.
    if (step === undefined || step.type === 'approval') return true;
    open.push(...step.needs);
  }
  return false;
}

/** Undefined where they cannot be read. */
function readSteps(pipeline: unknown, sealed: unknown): readonly SealedStep[] | undefined {
  if (!Array.isArray(pipeline) || !Array.isArray(sealed)) return undefined;
  const states = new Map<unknown, unknown>(
    sealed.map((step) => (isJsonObject(step) ? [step['id'], step['state']] : [undefined, null])),
  );
  const steps: SealedStep[] = [];
  for (const step of pipeline) {
    if (!isJsonObject(step)) return undefined;
    const { id, type, needs, changesTargets } = step;
    if (typeof id !== 'string' || typeof type !== 'string' || !isListOfTexts(needs)) {
      return undefined;
    }
    const [name = ''] = type.split('@');
    const state = states.get(id);
    steps.push({
      id,
      type: name,
      needs,
      changesTargets: changesTargets === true || isDeployment(name),
      state: typeof state === 'string' ? state : undefined,
    });
  }
  return steps;
}

function isListOfTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}
