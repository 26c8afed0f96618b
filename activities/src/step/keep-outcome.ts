import type { JsonValue } from '@sluice/domain';
import type { Tx } from '@sluice/persistence';
import type { ExecuteStepInput } from '@sluice/temporal-contract';
import { recordBlobs } from '../evidence/stored-document.ts';
import { keepValues } from './large-values.ts';
import type { StepFrameParts } from './run-step.ts';
import type { StepEnd } from './settle-step.ts';
import type { StepOutcome } from './step-type.ts';

/** An outcome of which nothing is too large for the records. */
export type KeptOutcome = StepOutcome & Pick<StepEnd, 'inputs' | 'large'>;

/**
 * Puts what is large of an outcome, and of the inputs that are kept with it, into the evidence store. Their rows are written with the
 * outcome's own.
 */
export async function keepOutcome(
  { evidence }: Pick<StepFrameParts, 'evidence'>,
  outcome: StepOutcome,
  {
    inputs,
    wants,
  }: {
    /** Where it can be put back. */
    readonly inputs: Readonly<Record<string, JsonValue>> | undefined;
    readonly wants: ExecuteStepInput['wants'];
  },
): Promise<KeptOutcome> {
  const { values } = outcome.result;
  const output = await keepValues(evidence, values ?? {}, new Set(wants));
  const input = await keepValues(evidence, inputs ?? {});
  const kept = inputs === undefined ? {} : { inputs: input.values };
  const blobs = [...output.blobs, ...input.blobs];
  if (blobs.length === 0) return { ...outcome, ...kept };
  const { references } = output;
  const { references: inputReferences } = input;
  return {
    result: { ...outcome.result, ...(values === undefined ? {} : { values: output.values }) },
    ...kept,
    large: {
      ...(Object.keys(references).length === 0 ? {} : { references }),
      ...(Object.keys(inputReferences).length === 0 ? {} : { inputReferences }),
    },
    record: async (tx: Tx) => {
      await recordBlobs(tx, blobs);
      await outcome.record?.(tx);
    },
  };
}
