import {
  cutText,
  findValueFaults,
  type JsonValue,
  MAX_INLINE_BYTES,
  MAX_OUTPUT_BYTES,
  outputSchemaOf,
} from '@sluice/domain';
import {
  type ExecuteStepInput,
  STEP_ATTEMPT_FAILED,
  type StepResult,
} from '@sluice/temporal-contract';
import { ApplicationFailure } from '@temporalio/common';
import type { AttemptedStep } from './attempt-count.ts';
import { sizeOfValue } from './large-values.ts';
import type { PreparedStep } from './prepare-step.ts';
import { failedResult } from './step-type.ts';

/** A reason's message as the interpreter is told it; the records have all of it. UTF-16 units. */
const TOLD_MESSAGE = 2000;

/** What no retry mends, whatever the step's type says. */
const TERMINAL_CODES: ReadonlySet<string> = new Set([
  'input-invalid',
  'input-unavailable',
  'inputs-too-large',
  'secret-invalid',
  'secret-unknown',
  'secret-unreadable',
  'output-changed',
  'output-invalid',
  'output-unavailable',
  'outputs-too-large',
]);

/** Code of an execution that is not begun again, for nobody knows how its last attempt ended. */
export const ATTEMPT_LOST = 'attempt-lost';

/**
 * Refuses an execution whose last attempt began and never said how it ended, where doing it again is not for Sluice to decide: the effect of
 * its type may have happened, and its retry allows no further one.
 */
export function withoutLostAttempt(prepared: AttemptedStep): AttemptedStep {
  const { attempt, manifest, resolved, refusal } = prepared;
  const { id, retry } = resolved;
  if (refusal !== undefined || manifest.effect !== 'at-least-once' || attempt <= retry.attempts) {
    return prepared;
  }
  const lost = failedResult(
    ATTEMPT_LOST,
    `Attempt ${attempt - 1} of step ${id} began, and nobody knows how it ended: its worker died, or could not record it. It may do ${retry.attempts}, ` +
      'so it is not begun again. Look at its log and at what it works on; give it more attempts where doing it twice does no harm.',
  );
  return { ...prepared, refusal: lost };
}

/**
 * The result with all of its outputs as values, or a failure that says how they are not what the type promises, or too large: all of them, or
 * those that conditions read, which the interpreter holds itself.
 */
export function checkOutputs(
  result: StepResult,
  { resolved, manifest, inputs }: PreparedStep,
  wants: ExecuteStepInput['wants'],
): StepResult {
  if (result.outcome !== 'succeeded') return result;
  const schema = outputSchemaOf(manifest, inputs);
  // Digests that the type declares are values too; others are the evidence's alone.
  const digests = Object.entries(result.outputs).filter(([name]) => name in schema.properties);
  const values: Readonly<Record<string, JsonValue>> = {
    ...Object.fromEntries(digests),
    ...result.values,
  };
  const faults = findValueFaults(schema, values);
  if (faults.length > 0) {
    const told = faults.slice(0, 5).map(({ message }) => message);
    return {
      ...failedResult(
        'output-invalid',
        `Step ${resolved.id} gave what it did not promise: ${told.join(' ')} Mend what it runs, or the outputs that it declares.`,
      ),
      outputs: result.outputs,
    };
  }
  const tooLarge = (message: string): StepResult => ({
    ...failedResult('outputs-too-large', message),
    outputs: result.outputs,
  });
  const size = sizeOfValue(values);
  if (size > MAX_OUTPUT_BYTES) {
    return tooLarge(
      `Step ${resolved.id} gave outputs of ${size} bytes; at most ${MAX_OUTPUT_BYTES} are kept. Keep what is large as an artifact, and give its digest.`,
    );
  }
  const wanted = pickWanted(values, wants);
  const told = size > MAX_INLINE_BYTES ? sizeOfValue(wanted) : 0;
  if (told > MAX_INLINE_BYTES) {
    return tooLarge(
      `Conditions read ${told} bytes of outputs of step ${resolved.id} (${Object.keys(wanted).join(', ')}); they may read ${MAX_INLINE_BYTES}. Have the step give what is decided by as an output of its own, such as a count; inputs and a matrix may read the large one.`,
    );
  }
  return { ...result, values };
}

/**
 * Throws a failed result, so that the engine tries again, while attempts are left and its code allows it. Of a type whose effect
 * happens exactly once nothing is tried again.
 */
export function retryFailed(
  result: StepResult,
  { resolved: { id, retry }, manifest }: PreparedStep,
  attempt: number,
): void {
  const { reason } = result;
  if (result.outcome !== 'failed' || reason === null || manifest.effect === 'exactly-once') return;
  if (attempt >= retry.attempts) return;
  if (TERMINAL_CODES.has(reason.code) || retry.terminal.includes(reason.code)) return;
  throw ApplicationFailure.create({
    type: STEP_ATTEMPT_FAILED,
    message: `Attempt ${attempt} of ${retry.attempts} of step ${id} failed (${reason.code}): ${cutText(reason.message, TOLD_MESSAGE)}`,
    details: [{ code: reason.code, message: cutText(reason.message, TOLD_MESSAGE) }],
  });
}

/** What the interpreter is handed of a result: no outputs of members, and the values that it wants. */
export function toldResult(result: StepResult, { member, wants }: ExecuteStepInput): StepResult {
  const { outcome, outputs, reason, values = {} } = result;
  const told = pickWanted(values, wants);
  return {
    outcome,
    outputs: member === undefined ? outputs : {},
    reason: reason && { code: reason.code, message: cutText(reason.message, TOLD_MESSAGE) },
    ...(Object.keys(told).length === 0 ? {} : { values: told }),
  };
}

function pickWanted(
  values: Readonly<Record<string, JsonValue>>,
  wants: ExecuteStepInput['wants'] = [],
): Readonly<Record<string, JsonValue>> {
  if (wants.includes('*')) return values;
  return Object.fromEntries(Object.entries(values).filter(([name]) => wants.includes(name)));
}
