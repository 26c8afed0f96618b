import { describe, expect, test } from '@jest/globals';
import type { PipelineScope } from './pipeline-scope.ts';
import { evaluateIf, resolveInputs } from './resolve-inputs.ts';

const SCOPE: PipelineScope = {
  steps: { build: { outcome: 'failed', outputs: {} } },
  parameters: { list: Array.from({ length: 600 }, (_, index) => index) },
  promotion: {},
  release: {},
  environment: {},
};
const MISSING = 'steps.build.outputs.size < 10';
const COSTLY = 'parameters.list.all(a, parameters.list.all(b, parameters.list.all(c, a >= 0)))';

describe('what has no answer says what to do', () => {
  test.each([
    [MISSING, 'Read what may be missing behind has().'],
    [COSTLY, 'read less, or put fewer comprehensions into each other. Mend the expression'],
  ])('as a condition: %s', (expression, advice) => {
    const answer = evaluateIf(expression, SCOPE);
    expect(answer).toMatchObject({ ok: false, code: 'condition-unevaluable' });
    expect('message' in answer ? answer.message : '').toContain(advice);
  });

  test.each([
    [{ cel: MISSING }, 'cel-member-missing', 'behind has()'],
    [{ cel: COSTLY }, 'cel-too-costly', 'Mend the expression'],
    [{ ref: 'steps.build.outputs.size' }, 'input-unavailable', 'Wire it to what is always there'],
  ])('as an input: %j', (input, code, advice) => {
    const answer = resolveInputs({ source: input }, SCOPE);
    expect(answer).toMatchObject({ ok: false, code });
    expect('message' in answer ? answer.message : '').toContain(advice);
  });
});
