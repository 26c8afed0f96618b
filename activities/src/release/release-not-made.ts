import type { StepResult } from '@sluice/temporal-contract';
import { failedResult } from '../step/step-type.ts';

/** Of a step that works on the promotion's release, before the promotion's pipeline has made it: nothing is judged by nothing. */
export function releaseNotMade(promotionId: string): StepResult {
  return failedResult(
    'release-not-made',
    `Promotion ${promotionId} has no release yet: let this step come after the one of type release@1.`,
  );
}
