import type { StepTemplate } from '@sluice/domain';
import { waitFor } from '../../wait-for.ts';
import { findRepeatedRequests } from '../effect-receiver.ts';
import { looksForFile } from '../looks-for-file.ts';
import { releaseInTurn } from '../release-in-turn.ts';
import { readStepLogs } from '../step-logs.ts';
import type { StepStage } from '../step-stage.ts';
import {
  isCancelling,
  killsWorker,
  type StepFault,
  type StepStory,
  type StoryRoom,
} from '../step-story.ts';

/** Tells the receiver of itself, under the key that Sluice gave it, in plain bash. */
function tell(path: string, room: StoryRoom): string {
  return [
    `exec 3<>/dev/tcp/127.0.0.1/${room.receiverPort}`,
    `printf 'POST /${path} HTTP/1.1\\r\\nHost: here\\r\\nIdempotency-Key: %s\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n' "$SLUICE_IDEMPOTENCY_KEY" >&3`,
    'read -r answer <&3',
  ].join('\n');
}

function script(name: string, room: StoryRoom, attempts: number): StepTemplate {
  return {
    id: name,
    type: 'script@1',
    timeoutSeconds: 120,
    retry: { attempts, backoffSeconds: 1 },
    concurrencyGroup: name,
    inputs: {
      interpreter: ['/bin/bash', '-eu'],
      source: [
        tell(name, room),
        'echo "begun, attempt $SLUICE_ATTEMPT"',
        'while [ -e "$HOLD" ]; do sleep 0.1; done',
        'echo made > made.txt',
        `printf '{"made": true}' > outputs.json`,
      ].join('\n'),
      undo: { source: `${tell(`${name}-undo`, room)}\necho "put back"` },
      environment: { HOLD: room.holdFile(name) },
      network: 'all',
      outputs: { made: { type: 'boolean' } },
      artifacts: { made: 'made.txt' },
    },
  };
}

function scriptStory(name: string, attempts: number): StepStory {
  return {
    ...looksForFile(name),
    name,
    type: 'script@1',
    step: name,
    steps: (room) => [script(name, room, attempts)],
    needs: [],
    request: releaseInTurn,
    stand: async ({ receiver }, promotion) => {
      const isThere = async (): Promise<boolean> => receiver.list(name, `${promotion}/`).length > 0;
      await waitFor(`${promotion} runs its script`, isThere, { seconds: 120 });
    },
    processMark: (promotion) => `SLUICE_IDEMPOTENCY_KEY=${promotion}/`,
    findProblems: (stage, promotion, fault) =>
      findScriptProblems(stage, promotion, { name, attempts, fault }),
  };
}

/** Runs as often as its retry allows, and is put back once where the promotion ended badly. */
async function findScriptProblems(
  { receiver, client }: StepStage,
  promotion: string,
  { name, attempts, fault }: { name: string; attempts: number; fault: StepFault },
): Promise<readonly string[]> {
  const runs = receiver.list(name, `${promotion}/`);
  const undone = receiver.list(`${name}-undo`, `${promotion}/`);
  const isLost = fault === 'worker' && attempts === 1;
  const problems = [...findRepeatedRequests(runs, killsWorker(fault) ? attempts : 1)];
  const wantsUndo = isCancelling(fault) || isLost;
  if (undone.length !== (wantsUndo ? 1 : 0)) {
    problems.push(`it was put back ${undone.length} times, not ${wantsUndo ? 'once' : 'never'}`);
  }
  const { steps } = await client.promotion(promotion);
  const { outputs = {} } = steps.find(({ id }) => id === name) ?? {};
  if (!wantsUndo && outputs['made'] === undefined) problems.push('its artifact was not kept');
  const [first] = await readStepLogs(client, promotion, name);
  if (first?.text.includes('begun, attempt 1') !== true) {
    problems.push(`the log of its first attempt was not kept: ${first?.text ?? 'none'}`);
  }
  return problems;
}

const SCRIPT: StepStory = scriptStory('script', 2);

/** One attempt, as is the default: who dies in the middle of it leaves it to people. */
const SCRIPT_ONCE: StepStory = {
  ...scriptStory('script-once', 1),
  end: (fault) => (fault === 'worker' ? { state: 'REVERTED', code: 'attempt-lost' } : undefined),
};

/** Stories about `script@1`. */
export const SCRIPT_STORIES: readonly StepStory[] = [SCRIPT, SCRIPT_ONCE];
