import type { StepTypeManifest } from '../step-type-manifest.ts';
import { digests } from '../value-schemas.ts';
import { ROLLOUT_EXAMPLES } from './rollout.examples.ts';
import { ROLLOUT_INPUTS } from './rollout.inputs.ts';

/** `rollout@1`. */
export const ROLLOUT: StepTypeManifest = {
  place: 55,
  stepType: {
    type: 'rollout',
    version: 1,
    title: 'Brings the release to the targets in stages, each of which must hold before the next.',
    kind: 'activity',
    queue: 'deploy',
    inputs: ROLLOUT_INPUTS,
    outputs: digests({
      plan: 'The plan that the target went by.',
      report: "The agent's final signed report.",
    }),
    choices: [{ inputs: ['maxUnavailable', 'maxUnavailablePercent'], required: false }],
    timeoutSeconds: 300,
    maxTimeoutSeconds: 86_400,
    retry: { attempts: 5, backoffSeconds: 1, maxBackoffSeconds: 10, terminal: ['plan-stale'] },
    capabilities: ['records', 'agents'],
    idempotencyKey: 'promotion/step/target',
    effect: 'exactly-once',
    compensation: {
      undoes:
        'Takes all requests off what is new, puts the targets back, those that had the new version last first, and gives the requests back.',
      byHand:
        'Look at the router and at the targets, then run `sluice rollback <environment>`; `sluice rollout show` says how far it had come.',
      timeoutSeconds: 300,
    },
    perTarget: true,
    changesTargets: true,
  },
  text:
    'A `deploy@1` with a strategy: all at once, rolling, waves, canary, blue-green or A/B. Each stage deploys its targets, moves requests where there is a router, is ' +
    'watched for its time (health, and metrics where `analysis` names some), and the policy is asked before the next. People can pause, resume, skip, abort and ' +
    'promote it at any time. The timeout is that of one target; stages take as long as they say.',
  effectText:
    'As `deploy@1`, for each target; and each change of a route table is a signed command that is stored before it is sent and that the agent of the router carries out once.',
  examples: ROLLOUT_EXAMPLES,
};
