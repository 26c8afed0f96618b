import type { StepRun } from '../step/step-type.ts';
import { NO_SECRETS, type SecretSource } from './secret-source.ts';

/**
 * Reads a secret for a step, and has it masked in the step's log from then on.
 * @param secrets none where this worker was given none
 * @throws SecretError
 */
export async function readSecret(
  run: Pick<StepRun, 'output' | 'input'>,
  secrets: SecretSource | undefined,
  name: string,
): Promise<string> {
  const value = await (secrets ?? NO_SECRETS).read(run.input.promotion.tenantId, name);
  run.output.hide(value);
  return value;
}
