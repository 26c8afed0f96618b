import { releaseInTurn } from '../release-in-turn.ts';
import { isCancelling, type StepStory } from '../step-story.ts';

const WAIT_SECONDS = 12;

const WAIT: StepStory = {
  name: 'wait',
  type: 'wait@1',
  step: 'pause',
  steps: () => [{ id: 'pause', type: 'wait@1', inputs: { seconds: WAIT_SECONDS } }],
  needs: [],
  isLate: true,
  request: releaseInTurn,
  stand: ({ client }, promotion) => client.untilStep(promotion, 'pause', 'RUNNING', 90),
  findProblems: async ({ client }, promotion, fault) => {
    if (isCancelling(fault)) return [];
    const { steps } = await client.promotion(promotion);
    const seconds = steps.find(({ id }) => id === 'pause')?.seconds ?? 0;
    return seconds >= WAIT_SECONDS - 1 ? [] : [`it waited ${seconds} s of ${WAIT_SECONDS}`];
  },
};

/** Stories about `wait@1`. */
export const WAIT_STORIES: readonly StepStory[] = [WAIT];
