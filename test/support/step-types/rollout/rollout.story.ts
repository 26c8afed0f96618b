import { releaseInTurn } from '../release-in-turn.ts';
import { targetOf } from '../step-stage.ts';
import type { StepStory } from '../step-story.ts';
import { findServiceProblems, TO_DEPLOYMENT } from '../to-deployment.ts';

const ROLLOUT: StepStory = {
  name: 'rollout',
  type: 'rollout@1',
  step: 'rollout',
  steps: () => [
    ...TO_DEPLOYMENT.slice(0, -1),
    {
      id: 'rollout',
      type: 'rollout@1',
      needs: ['gate', 'plan'],
      inputs: { strategy: 'rolling', soakSeconds: 0 },
    },
  ],
  needs: ['api', 'signer', 'agent'],
  hasAgent: true,
  isLetGoWhenCancelled: true,
  request: releaseInTurn,
  prepare: ({ made }) => made.stack.pause(`agent-${targetOf('rollout')}`),
  stand: async ({ client }, promotion) => {
    await client.untilPromotion(
      promotion,
      'has a command for its target',
      ({ deployments }) => deployments.some(({ state }) => state !== 'PLANNED'),
      90,
    );
  },
  letGo: ({ made }) => made.stack.resume(`agent-${targetOf('rollout')}`),
  clear: ({ made }) => made.stack.resume(`agent-${targetOf('rollout')}`),
  findProblems: (stage) => findServiceProblems(stage, 'rollout'),
};

/** Stories about `rollout@1`. */
export const ROLLOUT_STORIES: readonly StepStory[] = [ROLLOUT];
