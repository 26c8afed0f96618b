import type { Decision } from '@sluice/domain';
import { digestOf } from './digest.ts';

/** The `determinismHash` of a decision: SHA-256 of the canonical four fields that make it the same decision. */
export function determinismHash(
  decision: Pick<Decision, 'decision' | 'reasonCodes' | 'inputDigest' | 'policyDigest'>,
): string {
  const { inputDigest, policyDigest, reasonCodes } = decision;
  return digestOf({ decision: decision.decision, reasonCodes, inputDigest, policyDigest });
}
