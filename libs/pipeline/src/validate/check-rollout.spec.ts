import { expect, test } from '@jest/globals';
import { BUILT_IN_STEP_TYPES } from '../step-types/built-in-step-types.ts';
import { checkPipeline } from './check-pipeline.ts';

const HEAD = `schema: sluice.pipeline/v2
name: shop
steps:
  - { id: gate, type: gate@1 }
  - { id: plan, type: plan@1 }
  - id: roll
    type: rollout@1
    needs: [gate, plan]
    inputs:
`;

/** What is said of the inputs of a rollout: line, code and place. */
function said(inputs: string, deadlineSeconds: number | null = null): readonly string[] {
  const { problems } = checkPipeline(HEAD + inputs, {
    stepTypes: BUILT_IN_STEP_TYPES,
    pipelines: new Map(),
    ...(deadlineSeconds === null ? {} : { deadlineSeconds }),
  });
  return problems
    .filter(({ code }) => /rollout|analysis|input/.test(code))
    .map(({ code, at }) => `${at.line} ${code} ${at.path}`);
}

test('a sound canary is taken', () => {
  expect(said('      strategy: canary\n      router: edge\n      soakSeconds: 30\n')).toEqual([]);
});

test('shares that fall, and one without a router, stand at their lines', () => {
  const inputs = `      strategy: canary
      waves:
        - { targets: 1, share: 50 }
        - { targets: 2, share: 5 }
        - {}
`;
  expect(said(inputs)).toEqual([
    '12 rollout-invalid steps.roll.inputs.waves.0.share',
    '13 rollout-invalid steps.roll.inputs.waves.1.share',
    '13 rollout-invalid steps.roll.inputs.waves.1.share',
  ]);
});

test('what its schema refuses is said once', () => {
  expect(said('      strategy: shadow\n      router: edge\n')).toEqual([
    '10 input-value steps.roll.inputs.strategy',
  ]);
});

test('an analysis is read', () => {
  const inputs = `      strategy: rolling
      analysis:
        metrics: [{ name: errors, provider: probes, query: error-rate, direction: sideways }]
`;
  expect(said(inputs)).toEqual([
    expect.stringMatching(/^12 analysis-invalid steps.roll.inputs.analysis/),
  ]);
});

test('what is watched must fit into the promotion', () => {
  const inputs = '      strategy: waves\n      soakSeconds: 600\n';
  expect(said(inputs, 3600)).toEqual([]);
  expect(said(inputs, 1800)).toEqual(['11 rollout-too-long steps.roll.inputs.soakSeconds']);
});

test('no policy tolerates a target that fails', () => {
  const inputs =
    '      strategy: rolling\n    matrix: { over: { targets: {} }, policy: partial }\n';
  expect(said(inputs)).toEqual(['11 rollout-invalid steps.roll.matrix.policy']);
});
