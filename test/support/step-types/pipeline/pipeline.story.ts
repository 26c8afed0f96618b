import { PIPELINE_TEMPLATE_SCHEMA } from '@sluice/domain';
import { releaseInTurn } from '../release-in-turn.ts';
import type { StepStory } from '../step-story.ts';
import { post, waitsForAnswer } from '../waits-for-answer.ts';

const SUB_PIPELINE: StepStory = {
  ...waitsForAnswer('pipeline', 'part--ask'),
  name: 'pipeline',
  type: 'pipeline@1',
  inner: (room) => ({
    schema: PIPELINE_TEMPLATE_SCHEMA,
    name: 'pipeline-part',
    version: 1,
    steps: [
      { id: 'first', type: 'noop@1' },
      { ...post('ask', room, 'pipeline'), needs: ['first'] },
    ],
  }),
  steps: () => [
    {
      id: 'part',
      type: 'pipeline@1',
      inputs: { pipeline: { name: 'pipeline-part', version: 1 } },
    },
  ],
  needs: [],
  request: releaseInTurn,
};

/** Stories about `pipeline@1`. */
export const PIPELINE_STORIES: readonly StepStory[] = [SUB_PIPELINE];
