import { releaseInTurn } from '../release-in-turn.ts';
import { targetOf } from '../step-stage.ts';
import type { StepStory } from '../step-story.ts';
import { findServiceProblems, TO_DEPLOYMENT } from '../to-deployment.ts';

const DEPLOY: StepStory = {
  name: 'deploy',
  type: 'deploy@1',
  step: 'deploy',
  steps: () => TO_DEPLOYMENT,
  needs: ['api', 'signer', 'agent'],
  hasAgent: true,
  isLetGoWhenCancelled: true,
  request: releaseInTurn,
  prepare: ({ made }) => made.stack.pause(`agent-${targetOf('deploy')}`),
  stand: async ({ client }, promotion) => {
    await client.untilPromotion(
      promotion,
      'has a command for its target',
      ({ deployments }) => deployments.some(({ state }) => state !== 'PLANNED'),
      90,
    );
  },
  letGo: ({ made }) => made.stack.resume(`agent-${targetOf('deploy')}`),
  clear: ({ made }) => made.stack.resume(`agent-${targetOf('deploy')}`),
  findProblems: (stage) => findServiceProblems(stage, 'deploy'),
};

/** Stories about `deploy@1`. */
export const DEPLOY_STORIES: readonly StepStory[] = [DEPLOY];
