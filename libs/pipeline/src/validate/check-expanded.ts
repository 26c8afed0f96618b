import { EXPANDED_ID_SEPARATOR, type JsonValue, type ResolvedStep } from '@sluice/domain';
import type { ValuePath } from '../parse/positioned-node.ts';
import { assemble } from '../render/assemble.ts';
import { completeStep } from '../render/complete.ts';
import type { DraftStep } from '../render/draft.ts';
import { pipelineOrigin } from '../render/origin.ts';
import { passedWithPromotion } from '../render/parameters.ts';
import { adviceOf, beginRendering, type Rendering } from '../render/rendering.ts';
import { shortenIds } from '../render/shorten-ids.ts';
import { refuseUnsoundSteps } from '../render/sound.ts';
import { checkChanges } from './check-effects.ts';
import { checkDeadline } from './check-timeouts.ts';
import { type CheckRoom, checkValues, openCheck } from './open-check.ts';
import type { Report } from './report.ts';
import { type Variant, type VariantStep, variantOf } from './variant.ts';

/** Environments whose expansion is looked at. */
const MAX_ENVIRONMENTS = 20;

/** Steps of all expansions together: twenty of a thousand. */
const MAX_STEPS = 20_000;

/** First part of the places of steps that stand in another pipeline; the second is the step that brings them in. */
const ELSEWHERE = '\u0000elsewhere';

/**
 * What is wrong with a pipeline only when its sub-pipelines stand in the places of the steps that call them: with no environment and with
 * each. Said of the step that calls. For pipelines in which nothing else is wrong.
 */
export function checkExpanded(room: CheckRoom): void {
  const { source, report } = room;
  const environments = Object.keys(source.template.environments ?? {});
  let left = MAX_STEPS;
  for (const [at, name] of [null, ...environments].entries()) {
    report.enterEnvironment(name);
    if (at > MAX_ENVIRONMENTS || left <= 0) {
      const others = environments.length - at;
      report.say({
        code: 'expansion-not-checked',
        severity: 'warning',
        path: ['environments'],
        message: `With its sub-pipelines in place it isn't checked here${others > 0 ? `, nor in ${others} more environments` : ''}: at most ${MAX_ENVIRONMENTS} environments and ${MAX_STEPS} steps are.`,
        suggestion: 'Render it for each of them.',
      });
      return;
    }
    left -= checkOne(room, name);
  }
}

/** Gives how many steps there were. */
function checkOne(room: CheckRoom, environment: string | null): number {
  const { source, report, parameters: given } = room;
  const { template, pipelines } = source;
  const own = variantOf(source, environment, { ...report, say: () => undefined });
  if (own === null) return 0;
  const rendering = beginRendering(pipelines, environment ?? undefined);
  const passed = passedWithPromotion((given ?? {}) as Readonly<Record<string, JsonValue>>);
  const assembled = assemble(rendering, template, passed, '');
  if (given === null) forgetMissing(rendering);
  if (assembled === null) {
    sayRendered(room, rendering, own, new Map());
    return 0;
  }
  const { steps } = assembled;
  const outers = steps.map(({ id }) => outerOf(own, id));
  shortenIds(steps);
  const callers = new Map(steps.map(({ id }, at) => [id, outers[at] ?? null]));
  refuseUnsoundSteps(rendering, completed(room, steps), pipelineOrigin(template));
  sayRendered(room, rendering, own, callers);
  const isSound = rendering.problems.every(({ severity }) => severity !== 'error');
  // Without sub-pipelines it is what was checked.
  if (!isSound || outers.every((outer) => outer === null)) return steps.length;
  const placed = steps.map((draft, index) => placedStep(room, own, draft, index, outers[index]));
  // Whether what is declared fits is said where it stands; here the value is known, and it fits what is declared.
  const parameters = new Map(own.parameters);
  for (const [name, { value }] of assembled.parameters) {
    // Whether what is declared fits is said where it stands; here the value is known, and it fits what is declared.
    if (!parameters.has(name)) parameters.set(name, { schema: { type: 'any' }, default: value });
  }
  const variant: Variant = {
    environment,
    steps: placed,
    byId: new Map(placed.map((step) => [step.id, step])),
    parameters,
    environmentValues: own.environmentValues,
  };
  const { check, answer } = openCheck(
    { ...room, report: callersReport(report, own) },
    variant,
    null,
  );
  checkChanges(check);
  checkValues(check, room.expressions);
  // How long it lasts is known only now: what is doubtful about that stands nowhere else.
  checkDeadline({ ...check, report: callersReport(report, own, true) });
  answer();
  return steps.length;
}

/** What comes with the promotion isn't known yet. */
function forgetMissing(rendering: Rendering): void {
  const left = rendering.problems.filter(
    ({ code, at }) => code !== 'parameter-missing' || !at.path.startsWith('parameters.'),
  );
  rendering.problems.splice(0, rendering.problems.length, ...left);
}

/** The step whose sub-pipeline a step is of; null for the pipeline's own. */
function outerOf(own: Variant, id: string): VariantStep | null {
  for (
    let at = id.indexOf(EXPANDED_ID_SEPARATOR);
    at !== -1;
    at = id.indexOf(EXPANDED_ID_SEPARATOR, at + 1)
  ) {
    const outer = own.byId.get(id.slice(0, at));
    if (outer?.step.type.startsWith('pipeline@') === true && !own.byId.has(id)) return outer;
  }
  return null;
}

function completed({ source }: CheckRoom, steps: readonly DraftStep[]): readonly ResolvedStep[] {
  return steps.flatMap((draft) => {
    const type = source.stepTypes.get(draft.members.type);
    return type === undefined ? [] : [completeStep(draft, type, new Map(), () => undefined)];
  });
}

function placedStep(
  { source }: CheckRoom,
  own: Variant,
  { id, members }: DraftStep,
  index: number,
  outer: VariantStep | null | undefined,
): VariantStep {
  const same = own.byId.get(id);
  return {
    id,
    step: { id, ...members },
    type: source.stepTypes.get(members.type),
    index,
    place: (...path) =>
      outer === null || outer === undefined
        ? (same?.place(...path) ?? ['steps'])
        : [ELSEWHERE, outer.index, ...path],
  };
}

/**
 * Says what is wrong in a sub-pipeline of the step that calls it; what is only doubtful is said where it stands.
 *
 * @param saysDoubts true: what is doubtful is said of the step that calls, too
 */
function callersReport(report: Report, own: Variant, saysDoubts = false): Report {
  return {
    ...report,
    say: ({ where, ...said }) => {
      const [first, index] = said.path;
      if (first !== ELSEWHERE) {
        report.say(where === undefined ? said : { ...said, where });
        return;
      }
      if (said.severity === 'warning' && !saysDoubts) return;
      const outer = own.steps[Number(index)];
      const name = outer === undefined ? '' : `In the sub-pipeline of step ${outer.id}: `;
      report.say({ ...said, message: `${name}${said.message}`, path: outer?.place() ?? ['steps'] });
    },
  };
}

function sayRendered(
  { report }: CheckRoom,
  { problems }: Rendering,
  own: Variant,
  callers: ReadonlyMap<string, VariantStep | null>,
): void {
  for (const problem of problems) {
    const { code, severity, message, at } = problem;
    const path = placeOf(at.path, own, callers);
    report.say({
      code,
      path,
      message,
      suggestion: adviceOf(problem),
      ...(severity === 'warning' ? { severity } : {}),
    });
  }
}

function placeOf(
  text: string,
  own: Variant,
  callers: ReadonlyMap<string, VariantStep | null>,
): ValuePath {
  const [first = '', id = '', member] = text.split('.');
  if (first !== 'steps') return first === '' ? [] : id === '' ? [first] : [first, id];
  const step = own.byId.get(id);
  if (step !== undefined) return member === undefined ? step.place() : step.place(member);
  return (callers.get(id) ?? outerOf(own, id))?.place() ?? ['steps'];
}
