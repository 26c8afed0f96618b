import type { StepTemplate } from '@sluice/domain';
import { findService } from '../service-images.ts';
import { type StepStage, targetOf } from './step-stage.ts';

/** All that a deployment wants before it, and the deployment. */
export const TO_DEPLOYMENT: readonly StepTemplate[] = [
  { id: 'scan', type: 'scan@1' },
  { id: 'gate', type: 'gate@1', needs: ['scan'] },
  { id: 'plan', type: 'plan@1' },
  { id: 'deploy', type: 'deploy@1', needs: ['gate', 'plan'] },
];

/** What answers on the target is what the records say. */
export async function findServiceProblems(
  stage: StepStage,
  story: string,
): Promise<readonly string[]> {
  const target = targetOf(story);
  const { currentRelease } = await stage.client.target(target);
  const answer = await findService(stage.made.stack.getServicePort(target));
  return answer?.version === currentRelease?.version
    ? []
    : [`${answer?.version} answers on ${target}, ${currentRelease?.version} is recorded`];
}
