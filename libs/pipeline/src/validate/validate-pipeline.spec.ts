import { expect, test } from '@jest/globals';
import type { StepType } from '@sluice/domain';
import { FAULTY_FORMS } from '../testing/faulty-forms.ts';
import { FAULTY_GRAPHS } from '../testing/faulty-graphs.ts';
import { type FaultyPipeline, textOf } from '../testing/faulty-pipeline.ts';
import { FAULTY_WIRING } from '../testing/faulty-wiring.ts';
import { SAMPLE_PIPELINES } from '../testing/sample-pipelines.ts';
import { SAMPLE_STEP_TYPES } from '../testing/sample-step-types.ts';
import { checkPipeline } from './check-pipeline.ts';

const options = { stepTypes: SAMPLE_STEP_TYPES, pipelines: SAMPLE_PIPELINES, file: 'x.yaml' };

function said(faulty: FaultyPipeline): readonly string[] {
  const { deadlineSeconds, parameters } = faulty;
  const { problems } = checkPipeline(textOf(faulty), {
    ...options,
    ...(deadlineSeconds === undefined ? {} : { deadlineSeconds }),
    ...(parameters === undefined ? {} : { parameters }),
  });
  return problems.map(({ severity, code, suggestion, at }) => {
    const place = `${severity === 'warning' ? '?' : ''}${at.line}:${at.column}`;
    return `${place} ${code} ${at.path}${suggestion === null ? '' : ` → ${suggestion}`}`;
  });
}

const cases = [...FAULTY_FORMS, ...FAULTY_GRAPHS, ...FAULTY_WIRING];

test.each(cases.map((faulty) => [faulty.title, faulty] as const))('%s', (_title, faulty) => {
  expect(said(faulty)).toEqual(faulty.problems);
});

test('every problem of the table says what to write or to do', () => {
  const silent = cases.flatMap(({ title, problems }) =>
    problems.filter((problem) => !/ → \S.*\.$/.test(problem)).map((problem) => [title, problem]),
  );
  expect(silent).toEqual([]);
});

test('every text of the table is refused or warned of, but for the sound one', () => {
  const silent = cases.filter(({ problems }) => problems.length === 0);
  expect(silent.map(({ title }) => title)).toEqual(['nothing is wrong']);
});

test('a message names the step, the file and what is wrong', () => {
  const text = textOf({ text: 'steps:\n  - {id: b, type: scan@1, needs: [a, bb]}\n' });
  expect(checkPipeline(text, options).problems[0]).toEqual({
    code: 'step-need-unknown',
    severity: 'error',
    message: 'Step b needs a, and there is no such step.',
    suggestion: 'Take it out of the needs.',
    at: { file: 'x.yaml', line: 5, column: 35, path: 'steps.b.needs.0' },
  });
});

test('a fact is as long as it can be: what takes less does not take it', () => {
  const script = SAMPLE_STEP_TYPES.get('script@1') as StepType;
  const codes = (inputs: string, maxLength = 4096): readonly string[] => {
    const properties = {
      ...script.inputs.properties,
      label: { type: 'string' as const, maxLength },
    };
    const own = { ...script, inputs: { ...script.inputs, properties } };
    const stepTypes = new Map([...SAMPLE_STEP_TYPES, ['script@1', own] as const]);
    const text = textOf({
      text: `steps:\n  - {id: a, type: script@1, inputs: {source: x, ${inputs}}}\n`,
    });
    return checkPipeline(text, { ...options, stepTypes }).problems.map(({ code }) => code);
  };
  const longest = `${'e'.repeat(63)}/${2 ** 31 - 1}`.length;
  const id = 'label: {ref: promotion.id}';
  const warned = codes('label: y');
  expect(codes(id, longest)).toEqual(warned);
  expect(codes(id, longest - 1)).toEqual(['input-type', ...warned]);
  expect(codes('digest: {ref: release.id}')).toEqual(warned);
  expect(codes('label: {ref: release.id}', 70)).toEqual(['input-type', ...warned]);
});

test('sub-pipelines deeper than eight are refused, eight are taken', () => {
  const chain = new Map(
    Array.from({ length: 9 }, (_, level) => [
      `level-${level}@1`,
      {
        schema: 'sluice.pipeline/v2' as const,
        name: `level-${level}`,
        version: 1,
        steps:
          level === 0
            ? [{ id: 'end', type: 'scan@1' as const }]
            : [
                {
                  id: 'down',
                  type: 'pipeline@1' as const,
                  inputs: { pipeline: { name: `level-${level - 1}`, version: 1 } },
                },
              ],
      },
    ]),
  );
  const codes = (level: number): readonly string[] =>
    checkPipeline(
      textOf({
        text: `steps:\n  - {id: a, type: pipeline@1, inputs: {pipeline: {name: level-${level}, version: 1}}}\n`,
      }),
      { ...options, pipelines: chain },
    ).problems.map(({ code }) => code);
  expect(codes(7)).toEqual([]);
  expect(codes(8)).toEqual(['pipeline-too-deep']);
});

test('a matrix of ten thousand is taken, one more is refused', () => {
  const codes = (members: number): readonly string[] => {
    const values = Array.from({ length: members }, () => 1).join(',');
    const text = `steps:\n  - {id: a, type: scan@1, matrix: {over: {values: [${values}]}}}\n`;
    return checkPipeline(textOf({ text }), options).problems.map(({ code }) => code);
  };
  expect(codes(10_000)).toEqual([]);
  expect(codes(10_001)).toEqual(['matrix-too-large']);
});

test('expansions of twenty environments are checked, and that of more is said to be left', () => {
  const said = (environments: number): readonly string[] => {
    const names = Array.from({ length: environments }, (_, at) => `  e${at}: {}\n`).join('');
    const call =
      '{id: a, type: pipeline@1, inputs: {pipeline: {name: inner, version: 1}, parameters: {region: x}}}';
    const text = `steps:\n  - ${call}\nenvironments:\n${names}`;
    return checkPipeline(textOf({ text }), options).problems.map(
      ({ severity, code, message }) => `${severity} ${code} ${message}`,
    );
  };
  expect(said(20)).toEqual([]);
  expect(said(23)).toEqual([
    "warning expansion-not-checked In environment e20: With its sub-pipelines in place it isn't checked here, nor in 2 more environments: at most 20 environments and 20000 steps are.",
  ]);
});
