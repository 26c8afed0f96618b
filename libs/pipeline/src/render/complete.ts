import {
  DEFAULT_BACKOFF_FACTOR,
  DEFAULT_BACKOFF_SECONDS,
  DEFAULT_MAX_BACKOFF_SECONDS,
  DEFAULT_MAX_PARALLEL,
  defaultTimeoutSeconds,
  type MatrixTemplate,
  type ResolvedMatrix,
  type ResolvedRetry,
  type ResolvedStep,
  type RetryTemplate,
  type StepType,
} from '@sluice/domain';
import { type BoundParameter, type DraftStep, needsOf } from './draft.ts';
import { DEFAULT, type Origin, stepTypeOrigin } from './origin.ts';
import { shortestInput, sortedMembers } from './wired.ts';

/**
 * Fills in every default, in one order of members, and notes where each member comes from.
 * @param parameters those of the whole: a length that one of them says is known
 */
export function completeStep(
  step: DraftStep,
  type: StepType,
  parameters: ReadonlyMap<string, BoundParameter>,
  setOrigin: (path: string, origin: Origin) => void,
): ResolvedStep {
  const { members } = step;
  const written = Object.entries(members.inputs ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const inputs = Object.fromEntries(
    written.map(([name, value]) => [name, shortestInput(value)] as const),
  );
  const resolved: ResolvedStep = {
    id: step.id,
    type: members.type,
    ...(members.description === undefined ? {} : { description: members.description }),
    needs: unique(needsOf(step)),
    when: members.when ?? 'success',
    ...(members.if === undefined ? {} : { if: members.if }),
    ...(members.matrix === undefined ? {} : { matrix: completeMatrix(members.matrix) }),
    ...(members.concurrencyGroup === undefined
      ? {}
      : { concurrencyGroup: members.concurrencyGroup }),
    inputs,
    retry: completeRetry(members.retry, type.retry),
    timeoutSeconds:
      members.timeoutSeconds ?? defaultTimeoutSeconds(type, withParameters(inputs, parameters)),
    continueOnFailure: members.continueOnFailure ?? false,
    compensate: hasUndo(type, inputs) && (members.compensate ?? true),
  };
  const path = `steps.${step.id}`;
  setOrigin(path, step.origin);
  for (const member of Object.keys(resolved)) {
    if (member === 'id' || member === 'inputs') continue;
    const fallback = FROM_TYPE.has(member) ? stepTypeOrigin(members.type) : DEFAULT;
    setOrigin(`${path}.${member}`, step.origins.get(member) ?? fallback);
  }
  for (const [name] of written) {
    setOrigin(`${path}.inputs.${name}`, step.origins.get(`inputs.${name}`) ?? step.origin);
  }
  return resolved;
}

/** Inputs in which those that are a parameter are its value. */
function withParameters(
  inputs: Readonly<Record<string, unknown>>,
  parameters: ReadonlyMap<string, BoundParameter>,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, input]) => {
      const ref = isReference(input) ? input.ref : '';
      const found = ref.startsWith(PARAMETERS)
        ? parameters.get(ref.slice(PARAMETERS.length))
        : undefined;
      return [name, found === undefined ? input : found.value];
    }),
  );
}

const PARAMETERS = 'parameters.';

function isReference(input: unknown): input is { readonly ref: string } {
  return typeof (input as { readonly ref?: unknown } | null)?.ref === 'string';
}

const FROM_TYPE: ReadonlySet<string> = new Set(['retry', 'timeoutSeconds', 'compensate']);

function hasUndo(type: StepType, inputs: Readonly<Record<string, unknown>>): boolean {
  if (type.compensation === null) return false;
  const { onlyWith } = type.compensation;
  return onlyWith === undefined || Object.hasOwn(inputs, onlyWith);
}

function completeRetry(own: RetryTemplate | undefined, type: RetryTemplate): ResolvedRetry {
  const backoffSeconds = own?.backoffSeconds ?? type.backoffSeconds ?? DEFAULT_BACKOFF_SECONDS;
  const longest = own?.maxBackoffSeconds ?? type.maxBackoffSeconds ?? DEFAULT_MAX_BACKOFF_SECONDS;
  return {
    attempts: own?.attempts ?? type.attempts,
    backoffSeconds,
    factor: own?.factor ?? type.factor ?? DEFAULT_BACKOFF_FACTOR,
    maxBackoffSeconds: own?.maxBackoffSeconds ?? Math.max(longest, backoffSeconds),
    // A type knows after which reasons another attempt is senseless; a pipeline can only add to them.
    terminal: unique([...(type.terminal ?? []), ...(own?.terminal ?? [])]),
  };
}

function completeMatrix(matrix: MatrixTemplate): ResolvedMatrix {
  return {
    over: sortedMembers(matrix.over),
    maxParallel: matrix.maxParallel ?? DEFAULT_MAX_PARALLEL,
    failFast: matrix.failFast ?? false,
    policy: matrix.policy ?? 'all',
    ...(matrix.minimum === undefined ? {} : { minimum: matrix.minimum }),
  };
}

function unique(names: readonly string[]): readonly string[] {
  return [...new Set(names)].sort();
}
