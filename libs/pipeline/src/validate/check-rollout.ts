import {
  DEFAULT_SOAK_SECONDS,
  findRolloutProblems,
  findValueFaults,
  inputForm,
  isRollout,
  type JsonValue,
  type RolloutInputs,
  type RolloutStrategy,
} from '@sluice/domain';
import { parseAnalysis } from '../analysis/parse-analysis.ts';
import type { Check } from './check.ts';
import type { VariantStep } from './variant.ts';

/** Stages of a strategy where the pipeline writes no waves. */
const STAGES: Readonly<Record<RolloutStrategy, number>> = {
  'all-at-once': 1,
  rolling: 1,
  waves: 3,
  canary: 4,
  // The switch alone is watched.
  'blue-green': 1,
  ab: 2,
};

/**
 * What a schema cannot say of a rollout: shares that fall, a share without a router, and so on; what its analysis means; and whether all it
 * watches fits into the promotion. What hangs on the targets is said when they are known.
 */
export function checkRollout(check: Check, each: VariantStep): void {
  if (each.type === undefined || !isRollout(each.type.type)) return;
  const { known, unknown } = readInputs(each);
  const suggestion = 'Correct the inputs of the rollout.';
  for (const { path, message } of findRolloutProblems(known, unknown)) {
    const place = each.place('inputs', ...path);
    const said = `Step ${each.id}: ${message}`;
    check.report.say({ code: 'rollout-invalid', path: place, message: said, suggestion });
  }
  sayMatrix(check, each);
  if (known.analysis !== undefined) sayAnalysis(check, each, known.analysis);
  sayLength(check, each, known, unknown);
}

/** Literals that their schemas take; of all else nothing is known, or it is said elsewhere. */
function readInputs(each: VariantStep): {
  readonly known: Partial<RolloutInputs>;
  readonly unknown: ReadonlySet<string>;
} {
  const known: Record<string, JsonValue> = {};
  const unknown = new Set<string>();
  const schemas = each.type?.inputs.properties ?? {};
  for (const [name, input] of Object.entries(each.step.inputs ?? {})) {
    const form = inputForm(input);
    const schema = Object.hasOwn(schemas, name) ? schemas[name] : undefined;
    const isSound =
      form.kind === 'literal' &&
      schema !== undefined &&
      findValueFaults(schema, form.value).length === 0;
    if (isSound) known[name] = form.value;
    else unknown.add(name);
  }
  return { known: known as Partial<RolloutInputs>, unknown };
}

/** A stage ends with the first target that fails: what a matrix tolerates elsewhere it cannot here. */
function sayMatrix(check: Check, { id, step, place }: VariantStep): void {
  const { policy = 'all' } = step.matrix ?? {};
  if (policy === 'all') return;
  check.report.say({
    code: 'rollout-invalid',
    path: place('matrix', 'policy'),
    message: `Step ${id}: A rollout stops at the first target that fails, and no policy tolerates one.`,
    suggestion: 'Take the policy out.',
  });
}

function sayAnalysis(check: Check, each: VariantStep, analysis: unknown): void {
  const parsed = parseAnalysis(analysis);
  if (parsed.ok) return;
  for (const { at, message } of parsed.problems) {
    check.report.say({
      code: 'analysis-invalid',
      path: each.place('inputs', 'analysis', ...segmentsOf(at)),
      message: `Step ${each.id}: ${message}`,
      suggestion: 'Correct its analysis.',
    });
  }
}

/** `metrics[0].direction` in parts. */
function segmentsOf(place: string): readonly (string | number)[] {
  return [...place.matchAll(/\[(\d+)\]|[^.[\]]+/g)].map(([text, index]) =>
    index === undefined ? text : Number(index),
  );
}

function sayLength(
  check: Check,
  each: VariantStep,
  { strategy, waves, soakSeconds = DEFAULT_SOAK_SECONDS }: Partial<RolloutInputs>,
  unknown: ReadonlySet<string>,
): void {
  const { deadlineSeconds: deadline } = check;
  if (deadline === null || strategy === undefined) return;
  if (unknown.has('waves') || unknown.has('soakSeconds')) return;
  const lasts =
    waves === undefined
      ? STAGES[strategy] * soakSeconds
      : waves.reduce((sum, wave) => sum + (wave.soakSeconds ?? soakSeconds), 0);
  if (lasts < deadline) return;
  check.report.say({
    code: 'rollout-too-long',
    path: each.place('inputs', waves === undefined ? 'soakSeconds' : 'waves'),
    message: `The stages of step ${each.id} are watched for ${lasts} seconds together; the promotion ends after ${deadline}.`,
    suggestion: "Watch them for less, or raise the environment's promotionSeconds.",
  });
}
