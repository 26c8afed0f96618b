import { queryStack } from '../../promotion-checks.ts';
import { releaseInTurn } from '../release-in-turn.ts';
import { standsInRecords } from '../stands-in-records.ts';
import type { StepStory } from '../step-story.ts';

const GATE: StepStory = {
  ...standsInRecords('gate'),
  name: 'gate',
  type: 'gate@1',
  steps: () => [
    { id: 'scan', type: 'scan@1' },
    { id: 'gate', type: 'gate@1', needs: ['scan'] },
  ],
  needs: ['signer'],
  request: releaseInTurn,
  findProblems: async ({ made }, promotion) => {
    const sql = 'select from sluice.decisions where promotion_id = $1';
    const { length } = await queryStack(made.stack, sql, [promotion]);
    return length === 1 ? [] : [`it has ${length} decisions`];
  },
};

/** Stories about `gate@1`. */
export const GATE_STORIES: readonly StepStory[] = [GATE];
