import { describe, expect, test } from '@jest/globals';
import type { PipelineTemplate, ResolvedPipeline } from '@sluice/domain';
import {
  CHAIN,
  DIAMOND,
  FAN_OUT,
  MIGRATION,
  REGIONS,
  SAMPLE_STEP_TYPES,
  samplePipeline,
  sampleStep,
} from '../render/pipeline-samples.ts';
import { renderPipeline } from '../render/render-pipeline.ts';
import { displayWidth } from './display-width.ts';
import { type ExplainOptions, explainPipeline } from './explain-pipeline.ts';

function resolved(template: PipelineTemplate): ResolvedPipeline {
  const result = renderPipeline(template, { pipelines: new Map(), stepTypes: SAMPLE_STEP_TYPES });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.pipeline;
}

function explained(template: PipelineTemplate, options?: ExplainOptions): string {
  return `\n${explainPipeline(resolved(template), options)}`;
}

const MONOREPO = samplePipeline('monorepo', [
  sampleStep('build-lib', 'script'),
  sampleStep('build-api', 'script', ['build-lib']),
  sampleStep('build-web', 'script', ['build-lib', 'build-api']),
  sampleStep('docs', 'script'),
  sampleStep('release', 'script', ['build-lib', 'build-api', 'build-web']),
  sampleStep('lint', 'script'),
  sampleStep('gate', 'gate', ['release', 'lint']),
  sampleStep('deploy', 'deploy', ['gate']),
  sampleStep('verify', 'verify', ['deploy']),
  sampleStep('publish-docs', 'http', ['docs', 'verify']),
]);

const THIRTY = Array.from({ length: 30 }, (_, at) => `part-${at}`);
const WIDE = samplePipeline('wide', [
  sampleStep('plan', 'plan'),
  ...THIRTY.map((id) => sampleStep(id, 'script', ['plan'])),
  sampleStep('join', 'notify', THIRTY),
]);

describe('drawn', () => {
  test('a fan-out to three regions', () => {
    expect(explained(FAN_OUT)).toBe(`
fan-out@1
Three regions at once
10 steps in 6 layers; after a failure nothing more begins

  1  ●      scan       scan@1    5 min · 3 attempts
     │
  2  ◆      gate       gate@1    5 min · 3 attempts
     │
  3  ●      plan       plan@1    5 min · 3 attempts
     ├─┬─╮
  4  ● │ │  deploy-eu  deploy@1  15 min · 3 attempts · ↺
     │ ● │  deploy-us  deploy@1  15 min · 3 attempts · ↺
     │ │ ●  deploy-ap  deploy@1  15 min · 3 attempts · ↺
     │ │ │
  5  ● │ │  verify-eu  verify@1  5 min · 3 attempts
     │ ● │  verify-us  verify@1  5 min · 3 attempts
     │ │ ●  verify-ap  verify@1  5 min · 3 attempts
     ├─┴─╯
  6  ●      announce   notify@1  30 s · 3 attempts

● step   ◆ gate or approval   ↺ put back when the promotion fails
`);
  });

  test('a diamond', () => {
    expect(explained(DIAMOND)).toBe(`
diamond@1
4 steps in 3 layers; after a failure nothing more begins

  1  ●    plan   plan@1    5 min · 3 attempts
     ├─╮
  2  ● │  left   script@1  10 min · 3 attempts · ↺
     │ ●  right  script@1  10 min · 3 attempts · ↺
     │ │    only if environment.name == "production"
     ├─╯
  3  ●    join   verify@1  5 min · 3 attempts

● step   ↺ put back when the promotion fails
`);
  });

  test('a matrix', () => {
    expect(explained(REGIONS)).toBe(`
regions@1
5 steps in 5 layers; after a failure nothing more begins
parameter image = "shop"

  1  ●  plan     plan@1      5 min · 3 attempts
     │
  2  ◆  approve  approval@1  1 day · 3 attempts
     │
  3  ▣  rollout  script@1    10 min · 3 attempts · ↺
     │    each of 3: eu-west, us-east, ap-south; 2 at a time; at least 2 must
     │    succeed
     │
  4  ○  soak     soak@1      1 h · 3 attempts
     │
  5  ●  tell     notify@1    30 s · 3 attempts
          its failure stops nothing

● step   ◆ gate or approval   ▣ once for each   ○ time passes
↺ put back when the promotion fails
`);
  });

  test('a migration with compensation', () => {
    expect(explained(MIGRATION)).toBe(`
migration@1
Schema first, then the release
7 steps in 7 layers, 2 more at the end; after a failure nothing more begins

  1  ●    backup   script@1    10 min · 3 attempts
     │      one at a time in database
     ├─╮
  2  │ ◆  approve  approval@1  1 day · 3 attempts
     │ │    only if environment.name == "production"
     │ │
  3  │ ●  migrate  script@1    30 min · 3 attempts · ↺
     │ │    Expands the schema; the old release still works with it
     │ │    one at a time in database
     │ │
  4  │ ●  plan     plan@1      5 min · 3 attempts
     │ │
  5  │ ●  deploy   deploy@1    15 min · 3 attempts · ↺
     │ │
  6  │ ●  verify   verify@1    5 min · 5 attempts
     ├─╯
  7  ●    cleanup  script@1    10 min · 3 attempts
            whatever became of the steps before it
            after backup, verify

At the end

     ●  page       http@1    5 min · 3 attempts
          when the promotion does not succeed

     ●  withdrawn  notify@1  30 s · 3 attempts
          when the promotion was cancelled

● step   ◆ gate or approval   ↺ put back when the promotion fails
`);
  });

  test('a migration on an ASCII terminal of 60 columns', () => {
    expect(explained(MIGRATION, { ascii: true, width: 60 })).toBe(`
migration@1
Schema first, then the release
7 steps in 7 layers, 2 more at the end; after a failure
nothing more begins

  1  o    backup   script@1    10 min, 3 attempts
     |      one at a time in database
     +-.
  2  | ?  approve  approval@1  1 day, 3 attempts
     | |    only if environment.name == "production"
     | |
  3  | o  migrate  script@1    30 min, 3 attempts, undo
     | |    Expands the schema; the old release still works
     | |    with it
     | |    one at a time in database
     | |
  4  | o  plan     plan@1      5 min, 3 attempts
     | |
  5  | o  deploy   deploy@1    15 min, 3 attempts, undo
     | |
  6  | o  verify   verify@1    5 min, 5 attempts
     +-'
  7  o    cleanup  script@1    10 min, 3 attempts
            whatever became of the steps before it
            after backup, verify

At the end

     o  page       http@1    5 min, 3 attempts
          when the promotion does not succeed

     o  withdrawn  notify@1  30 s, 3 attempts
          when the promotion was cancelled

o step   ? gate or approval
undo put back when the promotion fails
`);
  });

  test('a monorepo, with lines that cross', () => {
    expect(explained(MONOREPO)).toBe(`
monorepo@1
10 steps in 8 layers; after a failure nothing more begins

  1  ●          build-lib     script@1  10 min · 3 attempts · ↺
     │ ●        docs          script@1  10 min · 3 attempts · ↺
     │ │ ●      lint          script@1  10 min · 3 attempts · ↺
     ├─│─│─╮
  2  │ │ │ ●    build-api     script@1  10 min · 3 attempts · ↺
     │ │ │ │      after build-lib
     ├─│─│─┼─╮
  3  │ │ │ │ ●  build-web     script@1  10 min · 3 attempts · ↺
     │ │ │ │ │    after build-api, build-lib
     ├─│─│─┴─╯
  4  ● │ │      release       script@1  10 min · 3 attempts · ↺
     │ │ │        after build-api, build-lib, build-web
     ├─│─╯
  5  ◆ │        gate          gate@1    5 min · 3 attempts
     │ │          after lint, release
     │ │
  6  ● │        deploy        deploy@1  15 min · 3 attempts · ↺
     │ │
  7  ● │        verify        verify@1  5 min · 3 attempts
     ├─╯
  8  ●          publish-docs  http@1    5 min · 3 attempts
                  after docs, verify

● step   ◆ gate or approval   ↺ put back when the promotion fails
`);
  });

  test('a step for each of thirty, too wide for lines', () => {
    expect(explained(WIDE)).toBe(`
wide@1
32 steps in 3 layers; after a failure nothing more begins

  1  ●  plan     plan@1    5 min · 3 attempts

  2  after plan
     ●  part-0   script@1  10 min · 3 attempts · ↺
     ●  part-1   script@1  10 min · 3 attempts · ↺
     ●  part-2   script@1  10 min · 3 attempts · ↺
     ●  part-3   script@1  10 min · 3 attempts · ↺
     ●  part-4   script@1  10 min · 3 attempts · ↺
     ●  part-5   script@1  10 min · 3 attempts · ↺
     ●  part-6   script@1  10 min · 3 attempts · ↺
     ●  part-7   script@1  10 min · 3 attempts · ↺
     ●  part-8   script@1  10 min · 3 attempts · ↺
     ●  part-9   script@1  10 min · 3 attempts · ↺
     ●  part-10  script@1  10 min · 3 attempts · ↺
     ●  part-11  script@1  10 min · 3 attempts · ↺
     ●  part-12  script@1  10 min · 3 attempts · ↺
     ●  part-13  script@1  10 min · 3 attempts · ↺
     ●  part-14  script@1  10 min · 3 attempts · ↺
     ●  part-15  script@1  10 min · 3 attempts · ↺
     ●  part-16  script@1  10 min · 3 attempts · ↺
     ●  part-17  script@1  10 min · 3 attempts · ↺
     ●  part-18  script@1  10 min · 3 attempts · ↺
     ●  part-19  script@1  10 min · 3 attempts · ↺
     ●  part-20  script@1  10 min · 3 attempts · ↺
     ●  part-21  script@1  10 min · 3 attempts · ↺
     ●  part-22  script@1  10 min · 3 attempts · ↺
     ●  part-23  script@1  10 min · 3 attempts · ↺
     ●  part-24  script@1  10 min · 3 attempts · ↺
     ●  part-25  script@1  10 min · 3 attempts · ↺
     ●  part-26  script@1  10 min · 3 attempts · ↺
     ●  part-27  script@1  10 min · 3 attempts · ↺
     ●  part-28  script@1  10 min · 3 attempts · ↺
     ●  part-29  script@1  10 min · 3 attempts · ↺

  3  after all of layer 2
     ●  join     notify@1  30 s · 3 attempts

● step   ↺ put back when the promotion fails
`);
  });

  test('a chain of forty', () => {
    const rows = Array.from({ length: 40 }, (_, at) => {
      const name = `step-${at + 1}`.padEnd(7);
      return `${String(at + 1).padStart(3)}  ●  ${name}  script@1  10 min · 3 attempts · ↺`;
    });
    expect(explained(CHAIN)).toBe(`
chain@1
40 steps in 40 layers; after a failure nothing more begins

${rows.join('\n')}

● step   ↺ put back when the promotion fails
`);
  });
});

test('no line is wider than the terminal, whatever is in it', () => {
  const long = 'x'.repeat(63);
  const wide = '全角文字'.repeat(40);
  const template = samplePipeline('p', [
    sampleStep(long, 'script', [], { description: wide, if: 'parameters.x == "…" '.repeat(30) }),
    ...Array.from({ length: 12 }, (_, at) =>
      sampleStep(`${at}-${'y'.repeat(50)}`, 'script', [long], { concurrencyGroup: 'group' }),
    ),
  ]);
  for (const width of [10, 40, 57, 80, 200]) {
    for (const ascii of [true, false]) {
      const lines = explained(template, { width, ascii }).split('\n');
      const widest = Math.max(...lines.map(displayWidth));
      expect({ width, fits: widest <= Math.max(width, 40) }).toEqual({ width, fits: true });
    }
  }
});

test('nothing steers a terminal, and ASCII is ASCII', () => {
  const hostile = '\u001b[2J\u001b]8;;http://x\u0007 \u202e\r\n\u009b31m ü';
  const template = samplePipeline(
    'p',
    [sampleStep('a', 'script', [], { description: hostile, if: `"${hostile}" == ""` })],
    {
      description: hostile,
      parameters: { [hostile]: { schema: { type: 'string' }, default: hostile } },
    },
  );
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
  expect(explained(template)).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  expect(explained(template, { ascii: true })).toMatch(/^[\n -~]*$/);
});

test('thousands of steps, in a chain and side by side', () => {
  const chain = Array.from({ length: 5000 }, (_, at) =>
    sampleStep(`s${at}`, 'script', at === 0 ? [] : [`s${at - 1}`]),
  );
  expect(explained(samplePipeline('chain', chain)).split('\n').length).toBeLessThan(5020);
  const wide = Array.from({ length: 4999 }, (_, at) => sampleStep(`s${at}`, 'script', ['first']));
  const text = explained(samplePipeline('wide', [sampleStep('first', 'script'), ...wide]));
  expect(text.split('\n').length).toBeLessThan(5020);
});
