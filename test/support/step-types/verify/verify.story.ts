import { rm, writeFile } from 'node:fs/promises';
import { findService } from '../../service-images.ts';
import { waitFor } from '../../wait-for.ts';
import { releaseInTurn } from '../release-in-turn.ts';
import { targetOf } from '../step-stage.ts';
import type { StepStory } from '../step-story.ts';
import { findServiceProblems, TO_DEPLOYMENT } from '../to-deployment.ts';

const VERIFY: StepStory = {
  name: 'verify',
  type: 'verify@1',
  step: 'verify',
  steps: () => [...TO_DEPLOYMENT, { id: 'verify', type: 'verify@1', needs: ['deploy'] }],
  needs: ['agent'],
  hasAgent: true,
  settings: (room) => ({ HOLD_FILE: room.holdFile('verify') }),
  request: releaseInTurn,
  prepare: ({ room }) => writeFile(room.holdFile('verify'), ''),
  stand: async ({ client, made }, promotion) => {
    await client.untilStep(promotion, 'verify', 'RUNNING', 120);
    await waitFor('the service answers', async () => {
      const port = made.stack.getServicePort(targetOf('verify'));
      return (await findService(port)) !== undefined;
    });
  },
  letGo: ({ room }) => rm(room.holdFile('verify'), { force: true }),
  clear: ({ room }) => rm(room.holdFile('verify'), { force: true }),
  findProblems: (stage) => findServiceProblems(stage, 'verify'),
};

/** Stories about `verify@1`. */
export const VERIFY_STORIES: readonly StepStory[] = [VERIFY];
