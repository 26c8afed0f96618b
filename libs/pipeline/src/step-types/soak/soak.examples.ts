import type { StepTypeExamples } from '../step-type-manifest.ts';

/** Examples of `soak@1`. */
export const SOAK_EXAMPLES: StepTypeExamples = {
  runs: [
    { inputs: { seconds: 900 }, outputs: { rounds: 60 } },
    {
      inputs: {
        seconds: 3600,
        everySeconds: 30,
        failures: 3,
        probes: [
          { url: 'https://shop.example/healthz' },
          { url: 'http://a:9090/ready', status: 204 },
        ],
      },
      outputs: { rounds: 120 },
    },
  ],
  refused: [
    { why: 'no end', path: 'seconds', inputs: { everySeconds: 30 } },
    { why: 'no probes at all', path: 'probes', inputs: { seconds: 60, probes: [] } },
    {
      why: 'a probe without URL',
      path: 'probes[0].url',
      inputs: { seconds: 60, probes: [{ status: 200 }] },
    },
    { why: 'longer than a week', path: 'seconds', inputs: { seconds: 604_801 } },
  ],
};
