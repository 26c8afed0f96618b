import { waitFor } from '../../wait-for.ts';
import { releaseInTurn } from '../release-in-turn.ts';
import { readStepLogs } from '../step-logs.ts';
import type { StepStage } from '../step-stage.ts';
import { isCancelling, type StepFault, type StepStory } from '../step-story.ts';

const SOAK_SECONDS = 10;
/** Seen before the fault; what of it the heartbeat had told is not done again. */
const SOAK_ROUNDS_BEFORE = 5;

const soakPath = 'soak';

const SOAK: StepStory = {
  name: 'soak',
  type: 'soak@1',
  step: 'watch',
  steps: (room) => [
    {
      id: 'watch',
      type: 'soak@1',
      inputs: {
        seconds: SOAK_SECONDS,
        everySeconds: 1,
        probes: [{ url: `${room.receiverUrl}/${soakPath}` }],
      },
    },
  ],
  needs: [],
  hasLog: true,
  isLate: true,
  request: releaseInTurn,
  stand: async ({ receiver }) => {
    const before = receiver.list(soakPath).length;
    const isThere = async (): Promise<boolean> =>
      receiver.list(soakPath).length >= before + SOAK_ROUNDS_BEFORE;
    await waitFor('the soak has begun', isThere, { seconds: 90 });
  },
  findProblems: async (stage, promotion, fault) => {
    if (isCancelling(fault)) return [];
    return findSoakProblems(stage, promotion, fault);
  },
};

/** It goes on from where it was: as many rounds as without a fault, but for those that nobody had been told of. */
async function findSoakProblems(
  stage: StepStage,
  promotion: string,
  fault: StepFault,
): Promise<readonly string[]> {
  const logs = await readStepLogs(stage.client, promotion, SOAK.step);
  const last = logs.at(-1);
  const problems: string[] = [];
  if (fault === 'worker') {
    if (logs.length !== 2) problems.push(`its soak has ${logs.length} logs of attempts, not two`);
    if (last?.text.includes('goes on after') !== true) {
      problems.push(`its soak began anew: ${last?.text ?? 'no log'}`);
    }
  } else if (logs.length !== 1) problems.push(`its soak has ${logs.length} logs of attempts`);
  return problems;
}

/** Stories about `soak@1`. */
export const SOAK_STORIES: readonly StepStory[] = [SOAK];
