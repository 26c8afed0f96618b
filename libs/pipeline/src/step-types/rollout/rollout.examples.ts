import type { StepTypeExamples } from '../step-type-manifest.ts';

const DIGEST = 'sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945';

/** Examples of `rollout@1`. */
export const ROLLOUT_EXAMPLES: StepTypeExamples = {
  runs: [
    {
      inputs: { strategy: 'rolling', maxUnavailable: 2 },
      outputs: { plan: DIGEST, report: DIGEST },
    },
    {
      inputs: {
        strategy: 'canary',
        router: 'edge',
        waves: [
          { targets: 1, share: 5, soakSeconds: 120 },
          { targets: 1, share: 25 },
          { percent: 100, share: 100 },
        ],
      },
      outputs: { plan: DIGEST, report: DIGEST },
    },
    {
      inputs: {
        strategy: 'blue-green',
        router: 'edge',
        groupLabel: 'group',
        retire: true,
        pauseBeforeSwitch: true,
        soakSeconds: 300,
        onFail: 'revert',
      },
      outputs: { plan: DIGEST, report: DIGEST },
    },
    {
      inputs: {
        strategy: 'ab',
        router: 'edge',
        match: [{ cookie: { name: 'beta', value: 'yes' } }],
        waves: [{ percent: 10, soakSeconds: 3600, pause: true }],
        gate: false,
      },
      outputs: { plan: DIGEST, report: DIGEST },
    },
    {
      inputs: {
        strategy: 'waves',
        maxUnavailablePercent: 10,
        intervalSeconds: 30,
        analysis: {
          metrics: [
            { name: 'errors', provider: 'probes', query: 'error-rate', direction: 'increase' },
          ],
        },
        onInconclusive: 'revert',
        pauseSeconds: 3600,
      },
      outputs: { plan: DIGEST, report: DIGEST },
    },
  ],
  refused: [
    { why: 'nobody knows the strategy', path: 'strategy', inputs: { strategy: 'shadow' } },
    {
      why: 'nothing may be away',
      path: 'maxUnavailable',
      inputs: { strategy: 'rolling', maxUnavailable: 0 },
    },
    {
      why: 'there are not so many percent',
      path: 'waves[0].share',
      inputs: { strategy: 'canary', waves: [{ share: 101 }] },
    },
  ],
};
