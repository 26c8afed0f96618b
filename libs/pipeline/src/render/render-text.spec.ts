import { expect, test } from '@jest/globals';
import type { PipelineTemplate } from '@sluice/domain';
import { parse } from 'yaml';
import {
  MIGRATION,
  randomPipelines,
  SAMPLE_STEP_TYPES,
  samplePipeline,
  samplePipelines,
  sampleStep,
  textParameter,
} from './pipeline-samples.ts';
import { type RenderOptions, renderPipeline } from './render-pipeline.ts';
import { renderText } from './render-text.ts';

function rendered(template: PipelineTemplate, options: Partial<RenderOptions> = {}) {
  const result = renderPipeline(template, {
    pipelines: new Map(),
    stepTypes: SAMPLE_STEP_TYPES,
    ...options,
  });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result;
}

test('every line says where it is from', () => {
  const base = samplePipeline(
    'base',
    [
      sampleStep('plan', 'plan'),
      sampleStep('deploy', 'deploy', ['plan'], { inputs: { image: { ref: 'parameters.image' } } }),
    ],
    {
      version: 2,
      parameters: { image: textParameter('shop') },
      environments: {
        production: { steps: [{ id: 'deploy', if: 'release.version != "0"' }] },
      },
    },
  );
  const hotfix = samplePipeline(
    'hotfix',
    [sampleStep('undo', 'script', ['deploy'], { inputs: { script: 'set -eu\nundo\n' } })],
    { version: 3, extends: { name: 'base', version: 2 } },
  );
  const { pipeline, origins } = rendered(hotfix, {
    pipelines: samplePipelines(base),
    environment: 'production',
    parameters: { image: 'shop:2' },
  });
  const text = renderText(pipeline, origins);
  const lines = text.split('\n').map((line) => line.replace(/ {2,}# /, ' # '));
  expect(lines.slice(0, 9)).toEqual([
    'schema: sluice.pipeline/v2',
    'name: hotfix',
    'version: 3',
    'failFast: true # default',
    'parameters:',
    '  image: # given',
    '    schema:',
    '      type: string',
    '    default: shop:2',
  ]);
  const deploy = lines.indexOf('  - id: deploy # base@2');
  expect(lines.slice(deploy, deploy + 8)).toEqual([
    '  - id: deploy # base@2',
    '    type: deploy@1 # base@2',
    '    needs: [plan] # base@2',
    '    when: success # default',
    '    if: release.version != "0" # environment production of base@2',
    '    inputs:',
    '      image: {ref: parameters.image} # base@2',
    '    retry: # default of deploy@1',
  ]);
  expect(lines).toContain('      script: | # hotfix@3');
  expect(
    new Set(text.split('\n').flatMap((line) => (line.includes(' # ') ? [line.indexOf(' # ')] : [])))
      .size,
  ).toBe(1);
});

test('what is read again is the same', () => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const { template, pipelines } = randomPipelines(seed);
    const { pipeline, origins } = rendered(template, { pipelines });
    expect({ seed, pipeline: parse(renderText(pipeline, origins)) }).toEqual({ seed, pipeline });
  }
  const { pipeline, origins } = rendered(MIGRATION);
  expect(parse(renderText(pipeline, origins))).toEqual(pipeline);
});

test('texts that mean something to YAML or to a terminal', () => {
  const hostile = [
    '\u001b[2J\u001b]0;owned\u0007',
    'a\u202egpj.exe',
    'x # y',
    'no',
    '1e3',
    '- a\n  b: c\n',
    '\ttabbed\r\n',
    'it\'s: "quoted"',
    '',
    ' leading',
    'line\u2028separator\u0085',
    '--- \n...\n',
    '&a *b !c',
    'long '.repeat(100),
  ];
  const inputs = Object.fromEntries(
    hostile.flatMap((text, at) => [
      [`n${at}`, text],
      [text || 'empty', { [text]: [text] }],
    ]),
  );
  const { pipeline, origins } = rendered(
    samplePipeline('p', [
      sampleStep('a', 'script', [], { description: hostile[0] as string, inputs }),
      sampleStep('null', 'script'),
      sampleStep('1e3', 'script'),
    ]),
  );
  const text = renderText(pipeline, origins);
  expect(parse(text)).toEqual(pipeline);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
  expect(text).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/);
});
