import type { StepRun } from '../step/step-type.ts';
import { NO_SECRETS, type SecretSource } from './secret-source.ts';

/** What of a step's run a secret is read for, and masked in. */
export type SecretRun = Pick<StepRun, 'output' | 'input' | 'promotion'>;

/**
 * Reads a secret for a step in its promotion's environment, and has it masked in the step's log from then on.
 * @param secrets none where this worker was given none
 * @throws SecretError
 */
export async function readSecret(
  run: SecretRun,
  secrets: SecretSource | undefined,
  name: string,
): Promise<string> {
  const { tenantId } = run.input.promotion;
  const { environment } = run.promotion;
  const value = await (secrets ?? NO_SECRETS).read({ tenantId, environment }, name);
  run.output.hide(value);
  return value;
}
