import type { StepTypeManifest } from '../step-type-manifest.ts';
import { digests, NONE } from '../value-schemas.ts';
import { DEPLOY_EXAMPLES } from './deploy.examples.ts';

/** `deploy@1`. */
export const DEPLOY: StepTypeManifest = {
  place: 50,
  stepType: {
    type: 'deploy',
    version: 1,
    title: 'Has the agent of each target activate the release as planned.',
    kind: 'activity',
    queue: 'deploy',
    inputs: NONE,
    outputs: digests({
      plan: 'The plan that the target went by.',
      report: "The agent's final signed report.",
    }),
    timeoutSeconds: 300,
    maxTimeoutSeconds: 86_400,
    retry: { attempts: 5, backoffSeconds: 1, maxBackoffSeconds: 10, terminal: ['plan-stale'] },
    capabilities: ['records', 'agents'],
    idempotencyKey: 'promotion/step/target',
    effect: 'exactly-once',
    compensation: {
      undoes: 'Puts each target back to the release that it had before this promotion.',
      byHand:
        'Look at the target and at the log of its agent, then run `sluice rollback <environment>`.',
      timeoutSeconds: 300,
    },
    perTarget: true,
    changesTargets: true,
  },
  text:
    "Takes the environment's lease before the first one, checks that the plan still holds, and sends each target a signed command. It needs " +
    '`plan@1` and, to be signed, `gate@1` before it. The timeout is from the signed command to the final report; the command is valid as long.',
  effectText:
    'The signed command is stored under its key before it is sent, and a retry finds it, or its report. The agent carries one command out once, ' +
    'by its journal, also when it is killed in the middle.',
  examples: DEPLOY_EXAMPLES,
};
