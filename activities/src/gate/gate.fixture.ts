import type { Decision } from '@sluice/domain';
import { digestOf } from '@sluice/pure';
import type { StepFixture } from '../testing/step-fixture.ts';
import type { DecisionEngine } from './decision-engine.ts';

/** Allows whatever it is asked. */
const ALLOWING: DecisionEngine = {
  evaluate: async ({ policyDigest, input }): Promise<Decision> => ({
    decision: 'allow',
    reasonCodes: [],
    policyDigest,
    inputDigest: digestOf(input),
    determinismHash: digestOf({ policyDigest, input }),
    evaluatedAt: String(input['evaluatedAt']),
    trace: [],
  }),
};

/** `gate@1` in its world: a policy that allows. What real policies say is for the specs of gate and policy. */
export const GATE_FIXTURE: StepFixture = {
  type: 'gate@1',
  open: async () => ({
    parts: { decisions: ALLOWING },
    runs: [{ name: 'a release', inputs: {} }],
    failures: [
      {
        name: 'no release yet',
        inputs: {},
        makesRelease: true,
        code: 'release-not-made',
      },
    ],
    slow: null,
    close: async () => undefined,
  }),
};
