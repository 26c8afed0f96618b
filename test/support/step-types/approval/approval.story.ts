import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { decide, readApprovals } from '../../deciders.ts';
import { releaseInTurn } from '../release-in-turn.ts';
import type { StepStage } from '../step-stage.ts';
import type { StepStory } from '../step-story.ts';

/** Long: whoever must answer was killed a moment ago. */
const DECIDE_MS = 120_000;

/** Approves the request of a step, under one key until that is answered. */
async function approveStep(
  { approver }: StepStage,
  promotion: string,
  isWanted: (requests: number) => boolean,
): Promise<void> {
  const idempotencyKey = randomUUID();
  const deadline = Date.now() + DECIDE_MS;
  let last: unknown;
  while (Date.now() < deadline) {
    const { approval, approvals } = await readApprovals(approver, promotion);
    if (approval?.state === 'WAITING' && isWanted(approvals.length)) {
      last = await decide(approver, promotion, { idempotencyKey }).catch(String);
      if ((last as { __typename?: string }).__typename === 'ApprovalRequest') return;
    }
    await sleep(200);
  }
  throw new Error(`Nobody could approve ${promotion}: ${JSON.stringify(last)}`);
}

const APPROVAL: StepStory = {
  name: 'approval',
  type: 'approval@1',
  step: 'approve',
  steps: () => [
    { id: 'plan', type: 'plan@1' },
    { id: 'approve', type: 'approval@1', needs: ['plan'] },
  ],
  needs: ['api', 'signer'],
  isApproved: true,
  request: releaseInTurn,
  stand: ({ client }, promotion) => client.untilStep(promotion, 'approve', 'WAITING', 90),
  letGo: (stage, promotion) => approveStep(stage, promotion, () => true),
};

/** People are asked twice, one time after the other: the fault comes when they have said yes once. */
const APPROVALS: StepStory = {
  ...APPROVAL,
  name: 'approvals',
  step: 'approve-again',
  steps: () => [
    { id: 'plan', type: 'plan@1' },
    { id: 'approve', type: 'approval@1', needs: ['plan'] },
    { id: 'approve-again', type: 'approval@1', needs: ['approve'] },
  ],
  atFault: (stage, promotion) => approveStep(stage, promotion, (requests) => requests === 1),
  letGo: (stage, promotion) => approveStep(stage, promotion, (requests) => requests === 2),
  findProblems: async ({ approver }, promotion) => {
    const { approvals } = await readApprovals(approver, promotion);
    const counted = approvals.map(
      ({ decisions }) => decisions.filter((one) => one.recorded).length,
    );
    const [first = 0, second = 0] = [...counted].sort((a, b) => b - a);
    return first === 1 && second <= 1 && approvals.length <= 2
      ? []
      : [`it asked ${approvals.length} times, and counted ${counted.join(', ')} votes`];
  },
};

/** Stories about `approval@1`. */
export const APPROVAL_STORIES: readonly StepStory[] = [APPROVAL, APPROVALS];
