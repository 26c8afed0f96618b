import { expect, test } from '@jest/globals';
import { BUILT_IN_STEP_TYPES } from '../step-types/built-in-step-types.ts';
import { checkPipeline } from '../validate/check-pipeline.ts';
import { renderPipeline } from './render-pipeline.ts';

const STEPS = `
  - { id: build, type: build@1, inputs: { flake: ., component: app, version: "1" } }
  - id: release
    type: release@1
    needs: [build]
    compensate: false
    inputs: { name: app, version: "1", components: { cel: "[steps.build.outputs.component]" } }
  - { id: gate, type: gate@1, needs: [release] }
  - { id: plan, type: plan@1, needs: [release] }
  - { id: deploy, type: deploy@1, needs: [gate, plan] }
`;

function check(steps: string, more = '') {
  const text = `schema: sluice.pipeline/v2\nname: app\nversion: 1\nsteps:${steps}${more}`;
  return checkPipeline(text, { stepTypes: BUILT_IN_STEP_TYPES });
}

const codesOf = ({ problems }: ReturnType<typeof check>) =>
  problems
    .filter(({ severity }) => severity === 'error')
    .map(({ code, at }) => `${at.path}: ${code}`);

test('a pipeline from build to deployment is sound, and renders', () => {
  const checked = check(STEPS);
  expect(codesOf(checked)).toEqual([]);
  if (checked.template === null) throw new Error('It has no form.');
  const options = { pipelines: new Map(), stepTypes: BUILT_IN_STEP_TYPES };
  expect(renderPipeline(checked.template, options)).toMatchObject({ ok: true });
});

test('what does not wait for the release is said where it stands, and is not rendered', () => {
  const checked = check(STEPS.replace('type: gate@1, needs: [release]', 'type: gate@1'));
  expect(codesOf(checked)).toEqual(['steps.gate: release-not-made-yet']);
  expect(
    checked.problems.find(({ code }) => code === 'release-not-made-yet')?.at.line,
  ).toBeGreaterThan(10);
});

test.each([
  ['a condition', 'if: "true"', 'release-made-uncertainly'],
  ['a matrix', 'matrix: { over: { values: [1, 2] } }', 'release-made-in-matrix'],
])('%s on its step is refused', (_what, line, code) => {
  const checked = check(STEPS.replace('compensate: false', `compensate: false\n    ${line}`));
  expect(codesOf(checked)).toContain(`steps.release: ${code}`);
});

test('what an environment changes is checked, too', () => {
  const checked = check(
    STEPS,
    'environments:\n  production:\n    steps:\n      - { id: plan, needs: [build] }\n',
  );
  expect(codesOf(checked)).toContain('steps.plan: release-not-made-yet');
});
