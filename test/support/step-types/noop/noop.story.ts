import { releaseInTurn } from '../release-in-turn.ts';
import { standsInRecords } from '../stands-in-records.ts';
import type { StepStory } from '../step-story.ts';

const NOOP: StepStory = {
  ...standsInRecords('rest'),
  name: 'noop',
  type: 'noop@1',
  steps: () => [{ id: 'rest', type: 'noop@1' }],
  needs: [],
  request: releaseInTurn,
};

/** Stories about `noop@1`. */
export const NOOP_STORIES: readonly StepStory[] = [NOOP];
