import { releaseInTurn } from '../release-in-turn.ts';
import { standsInRecords } from '../stands-in-records.ts';
import type { StepStory } from '../step-story.ts';

const PLAN: StepStory = {
  ...standsInRecords('plan'),
  name: 'plan',
  type: 'plan@1',
  steps: () => [{ id: 'plan', type: 'plan@1' }],
  needs: [],
  request: releaseInTurn,
};

/** Stories about `plan@1`. */
export const PLAN_STORIES: readonly StepStory[] = [PLAN];
