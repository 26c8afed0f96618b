import { type DeployParts, deployToTarget } from '../deploy/deploy.step.ts';
import type { StepType } from '../step/step-type.ts';

/**
 * `rollout@1`: one execution brings the release to one target, exactly as `deploy@1` does. In which order, how many at a time, and what must
 * hold in between is the interpreter's to know: the strategy is among the step's inputs, and is read where its members are laid out.
 */
export function createRolloutStep(parts: DeployParts): StepType {
  return {
    type: 'rollout',
    version: 1,
    run: (run) => deployToTarget(parts, run),
  };
}
