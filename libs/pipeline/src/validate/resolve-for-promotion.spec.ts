import { expect, test } from '@jest/globals';
import { parsePipeline } from '../parse/parse-pipeline.ts';
import { renderPipeline } from '../render/render-pipeline.ts';
import { BUILT_IN_STEP_TYPES } from '../step-types/built-in-step-types.ts';
import { resolveForPromotion } from './resolve-for-promotion.ts';

const TEXT = `schema: sluice.pipeline/v2
name: rollout
version: 1
parameters:
  seconds:
    schema: { type: integer, minimum: 1, maximum: 600 }
steps:
  - { id: pause, type: wait@1, inputs: { seconds: { ref: parameters.seconds } } }
  - { id: again, type: wait@1, needs: [pause], inputs: { seconds: 120 } }
`;

const parsed = parsePipeline(TEXT);
if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
const { template } = parsed;
const options = { environment: 'dev', pipelines: new Map(), stepTypes: BUILT_IN_STEP_TYPES };

const codesOf = (deadlineSeconds: number, parameters = {}) => {
  const resolved = resolveForPromotion(template, { ...options, deadlineSeconds, parameters });
  return resolved.ok ? resolved.pipeline.steps.length : resolved.problems.map(({ code }) => code);
};

test('what takes longer than its promotion may is refused, though it can be rendered', () => {
  const parameters = { seconds: 60 };
  expect(renderPipeline(template, { ...options, parameters }).ok).toBe(true);
  expect(codesOf(86_400, parameters)).toBe(2);
  expect(codesOf(100, parameters)).toEqual([expect.stringMatching(/deadline|timeout/)]);
});

test('what cannot be rendered is refused with all that is wrong', () => {
  expect(codesOf(86_400)).toEqual(['parameter-missing']);
  expect(codesOf(86_400, { seconds: 'x', other: 1 })).toEqual(
    expect.arrayContaining(['parameter-invalid', 'parameter-unknown']),
  );
});
