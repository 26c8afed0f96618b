import { NIX_SYSTEM } from '../../nix-flake.ts';
import { waitFor } from '../../wait-for.ts';
import { listProcessesWith } from '../left-behind.ts';
import { looksForFile } from '../looks-for-file.ts';
import { releaseInTurn } from '../release-in-turn.ts';
import { isCancelling, type StepStory } from '../step-story.ts';

const markOf = (promotion: string): string => `STORY_MARK=${promotion}.`;

const BUILD: StepStory = {
  ...looksForFile('build'),
  name: 'build',
  type: 'build@1',
  step: 'build',
  steps: (room) => [
    {
      id: 'build',
      type: 'build@1',
      timeoutSeconds: 180,
      inputs: {
        // Of each promotion its own, so that nothing is in the store already.
        expression: {
          cel: `"derivation { name = \\"story\\"; system = \\"${NIX_SYSTEM}\\"; STORY_MARK = \\"" + promotion.id + ".\\"; HOLD = \\"${room.holdFile('build')}\\"; builder = \\"/bin/sh\\"; args = [ \\"-c\\" \\"PATH=/usr/bin:/bin; echo building; while [ -e $HOLD ]; do sleep 0.1; done; echo $STORY_MARK > $out\\" ]; }"`,
        },
        component: 'story',
        version: '1.0.0',
      },
    },
  ],
  needs: [],
  request: releaseInTurn,
  stand: async (_, promotion) => {
    const isThere = async (): Promise<boolean> => listProcessesWith(markOf(promotion)).length > 0;
    await waitFor(`${promotion} builds`, isThere, { seconds: 120 });
  },
  processMark: markOf,
  findProblems: async ({ client }, promotion, fault) => {
    if (isCancelling(fault)) return [];
    const { steps } = await client.promotion(promotion);
    const { outputs = {} } = steps.find(({ id }) => id === 'build') ?? {};
    return ['narHash', 'closure'].flatMap((name) =>
      outputs[name] === undefined ? [`its build has no ${name}`] : [],
    );
  },
};

/** Stories about `build@1`. */
export const BUILD_STORIES: readonly StepStory[] = [BUILD];
