import { releaseInTurn } from '../release-in-turn.ts';
import { STORY_CHANNEL } from '../step-stage.ts';
import type { StepStory } from '../step-story.ts';
import { waitsForAnswer } from '../waits-for-answer.ts';

const NOTIFY: StepStory = {
  ...waitsForAnswer('notify', 'tell'),
  name: 'notify',
  type: 'notify@1',
  steps: () => [
    {
      id: 'tell',
      type: 'notify@1',
      timeoutSeconds: 120,
      inputs: { channel: STORY_CHANNEL, message: { cel: '"Told by " + promotion.id' } },
    },
  ],
  needs: [],
  request: releaseInTurn,
};

/** Stories about `notify@1`. */
export const NOTIFY_STORIES: readonly StepStory[] = [NOTIFY];
