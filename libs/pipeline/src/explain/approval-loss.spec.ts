import { expect, test } from '@jest/globals';
import type { PipelineTemplate } from '@sluice/domain';
import { parsePipeline } from '../parse/parse-pipeline.ts';
import { BUILT_IN_STEP_TYPES } from '../step-types/built-in-step-types.ts';
import { findApprovalLoss } from './approval-loss.ts';

function pipeline(steps: string, more = '', name = 'rollout'): PipelineTemplate {
  const parsed = parsePipeline(
    `schema: sluice.pipeline/v2\nname: ${name}\nversion: 1\n${more}steps:\n${steps}`,
  );
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.template;
}

const PLAN = '  - { id: plan, type: plan@1 }\n  - { id: ask, type: approval@1, needs: [plan] }\n';
const ASKS = pipeline(`${PLAN}  - { id: deploy, type: deploy@1, needs: [ask] }\n`);
const SILENT = pipeline(
  '  - { id: plan, type: plan@1 }\n  - { id: deploy, type: deploy@1, needs: [plan] }\n',
);
const [EU, US] = ['eu', 'us'].map((region) => `{ over: { targets: { region: ${region} } } }`);
const EU_FIRST = pipeline(
  `  - { id: plan, type: plan@1 }
  - { id: eu, type: deploy@1, needs: [plan], matrix: ${EU} }
  - { id: ask, type: approval@1, needs: [eu] }
  - { id: us, type: deploy@1, needs: [ask], matrix: ${US} }
`,
);
const CALLER = pipeline(`${PLAN}  - id: all
    type: pipeline@1
    needs: [ask]
    inputs: { pipeline: silent@1 }
`);
const pipelines = new Map([['silent@1', { ...SILENT, name: 'silent' }]]);

const lossOf = (before: PipelineTemplate, after: PipelineTemplate, environment = 'dev') =>
  findApprovalLoss(before, after, { environment, pipelines, stepTypes: BUILT_IN_STEP_TYPES });

test('who asked nobody loses nothing, who asks as before neither', () => {
  expect(lossOf(SILENT, SILENT)).toBeUndefined();
  expect(lossOf(SILENT, ASKS)).toBeUndefined();
  expect(lossOf(ASKS, ASKS)).toBeUndefined();
  expect(lossOf(EU_FIRST, EU_FIRST)).toBeUndefined();
  expect(lossOf(EU_FIRST, ASKS)).toBeUndefined();
  expect(lossOf(ASKS, CALLER)).toBeUndefined();
});

test('an approval that is taken out, or put where it stops nothing, is lost', () => {
  expect(lossOf(ASKS, SILENT)).toBe('it has no approval step');
  expect(lossOf(CALLER, SILENT)).toBe('it has no approval step');
  const aside = pipeline(`${PLAN}  - { id: deploy, type: deploy@1, needs: [plan] }\n`);
  expect(lossOf(ASKS, aside)).toMatch(/its step deploy changes targets/);
  expect(lossOf(CALLER, aside)).toMatch(/deploy/);
  expect(lossOf(ASKS, EU_FIRST)).toMatch(/its step eu /);
});

test('what asked nobody before may not become more', () => {
  const all = { ...EU_FIRST, steps: EU_FIRST.steps.map((step) => ({ ...step })) };
  const wider = all.steps.map(({ matrix, ...step }) =>
    step.id === 'eu' ? step : { ...step, ...(matrix && { matrix }) },
  );
  expect(lossOf(EU_FIRST, { ...all, steps: wider })).toMatch(/its step eu /);
});

test("an environment's overrides count", () => {
  const overridden = {
    ...ASKS,
    environments: { dev: { steps: [{ id: 'ask', remove: true as const }] } },
  };
  expect(lossOf(ASKS, overridden)).toBe('it has no approval step');
  expect(lossOf(ASKS, overridden, 'prod')).toBeUndefined();
  expect(lossOf(overridden, SILENT)).toBeUndefined();
});

test('parameters that are given with a promotion are not waited for', () => {
  const parameters = 'parameters:\n  region:\n    schema: { type: string }\n';
  const asks = pipeline(`${PLAN}  - { id: deploy, type: deploy@1, needs: [ask] }\n`, parameters);
  expect(lossOf(asks, SILENT)).toBe('it has no approval step');
  expect(lossOf(asks, asks)).toBeUndefined();
});
