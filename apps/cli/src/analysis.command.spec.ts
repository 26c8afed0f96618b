import { expect, test } from '@jest/globals';
import {
  ANALYSIS_SCHEMA,
  type AnalysisDocument,
  composeAnalysis,
  judgeAnalysis,
  type SamplePoint,
} from '@sluice/domain';
import { plot, shortNumber } from './analysis-plot.ts';
import { type FakeAnswers, fakeIo } from './fake-io.ts';
import { runCli } from './run-cli.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const points = (of: (at: number) => number | null): SamplePoint[] =>
  Array.from({ length: 24 }, (_, at) => [at * 5, of(at)] as const);

const DOCUMENT: AnalysisDocument = composeAnalysis(
  {
    schema: ANALYSIS_SCHEMA,
    stepId: 'rollout',
    round: 1,
    stage: 1,
    rules: {
      metrics: ['latency', 'errors'].map((name) => ({
        name,
        direction: 'increase' as const,
        nanStrategy: 'remove' as const,
        critical: name === 'latency',
        mustHaveData: true,
        weight: 1,
        effect: {},
        confidence: 0.98,
      })),
      passScore: 95,
      marginalScore: 75,
      looks: 1,
      minSamples: 8,
    },
    look: 1,
    from: '2026-11-22T10:00:00.000Z',
    to: '2026-11-22T10:02:00.000Z',
    stepSeconds: 5,
    targets: { canary: ['web-1'], baseline: ['web-2', 'web-3'] },
    metrics: [
      {
        ...{ name: 'latency', provider: 'probes', kind: 'probes', query: 'latency-p90' },
        ...{ pointer: null, trouble: null },
        canary: points((at) => (at === 5 ? null : 80 + (at % 3))),
        baseline: points((at) => 20 + (at % 3)),
      },
      {
        ...{ name: 'errors', provider: 'prom', kind: 'prometheus', query: 'up', pointer: null },
        ...{ canary: [], baseline: [] },
        trouble: { code: 'analysis-provider-down', message: 'Provider prom: It did not answer.' },
      },
    ],
  },
  judgeAnalysis,
);

const ANALYSIS = {
  outcome: 'FAIL',
  score: 0,
  reason: { code: 'analysis-critical-metric', message: 'latency is above the old version’s.' },
  documentDigest: digest,
  startedAt: '2026-11-22T10:00:00Z',
  endedAt: '2026-11-22T10:02:00Z',
};
const passed = { outcome: 'PASS', score: null, reason: null, documentDigest: null };
const times = { startedAt: '2026-11-22T09:50:00Z', endedAt: '2026-11-22T09:51:00Z' };

const fake = (answers: FakeAnswers = {}) =>
  fakeIo(
    Object.fromEntries(
      Object.entries({
        promotionAnalyses: () => ({
          promotion: {
            id: 'prod/7',
            rollouts: [
              {
                step: 'rollout',
                round: 1,
                stages: [
                  { index: 0, name: 'one', analysis: { ...passed, ...times } },
                  { index: 1, name: 'half', analysis: ANALYSIS },
                  { index: 2, name: 'all', analysis: null },
                ],
              },
            ],
          },
        }),
        analysisDocument: () => ({
          analysisDocument: { digest, content: DOCUMENT, problem: null },
        }),
        ...answers,
      }).map(([name, answer]) => [
        name,
        (variables: Record<string, unknown>) => ({ data: answer(variables) }),
      ]),
    ),
  );

test('the newest stage is shown: verdict, metrics, and a plot that needs no colour', async () => {
  const io = fake();
  expect(await runCli(['analysis', 'show', 'prod/7'], io)).toBe(0);
  const text = io.outText();
  expect(text).toMatch(/^prod\/7, step rollout, stage 1 \(half\): failed, score 0 of 100\.\n/);
  expect(text).toMatch(/latency ! +high +81 +21 +3\.8/);
  expect(text).toMatch(/errors +nodata +- +- /);
  expect(text).toContain('errors: Provider prom: It did not answer. (analysis-provider-down)');
  expect(text).toContain('● new version   ○ old version');
  for (const line of text.split('\n')) expect([...line].length).toBeLessThanOrEqual(80);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: no sequence that steers a terminal.
  expect(text).not.toMatch(/\u001b/);
});

test('a stage can be named; where health alone was watched there is no document', async () => {
  const io = fake();
  expect(await runCli(['analysis', 'show', 'prod/7', '--stage', '0'], io)).toBe(0);
  expect(io.outText()).toBe(
    'prod/7, step rollout, stage 0 (one): passed.\n  No metrics were compared: health alone was watched.\n',
  );
});

test('with --json the whole document comes', async () => {
  const io = fake();
  expect(await runCli(['analysis', 'show', 'prod/7', '--step', 'rollout', '--json'], io)).toBe(0);
  expect(JSON.parse(io.outText())).toMatchObject({
    promotion: 'prod/7',
    stage: { index: 1, name: 'half' },
    analysis: ANALYSIS,
    document: DOCUMENT,
  });
});

test.each([
  [['prod/7', '--stage', '2'], 'analysis-not-found', /Stage 2 .* There are --step rollout/],
  [['prod/7', '--step', 'deploy'], 'analysis-not-found', /no rollout deploy\. It has rollout/],
  [['prod'], 'promotion-reference-invalid', /names no promotion/],
  [['prod/7', '--stage', 'x'], 'option-invalid', /--stage is "x"/],
])('%o is told with what there is', async (words, code, message) => {
  const io = fake();
  expect(await runCli(['analysis', 'show', ...words, '--json'], io)).not.toBe(0);
  const { error } = JSON.parse(io.outText()) as { error: Record<string, string> };
  expect(error).toMatchObject({ code });
  expect(`${error['message']} ${error['next']}`).toMatch(message);
});

test('a document that is lost, a promotion that is not there', async () => {
  const problem = { code: 'analysis-changed', message: 'Another content.' };
  const lost = fake({
    analysisDocument: () => ({ analysisDocument: { digest, content: null, problem } }),
  });
  expect(await runCli(['analysis', 'show', 'prod/7'], lost)).toBe(1);
  expect(lost.errText()).toContain('Another content.');
  const none = fake({ promotionAnalyses: () => ({ promotion: null }) });
  expect(await runCli(['analysis', 'show', 'prod/7'], none)).toBe(1);
  expect(none.errText()).toContain('There is no promotion prod/7.');
});

test('a plot shows where both lie, one value alone, and that there is none', () => {
  const drawn = plot(
    {
      canary: [
        [0, 4],
        [5, 10],
      ],
      baseline: [
        [0, 4],
        [5, 2],
      ],
    },
    10,
    5,
  );
  expect(drawn).toBe(
    [
      '       10 ┤  ●',
      '          │',
      '          │',
      '     5.71 ┤',
      '          │ ◉',
      '          │',
      '          │  ○',
      '        0 ┤',
      '          └───',
      '            0 s 10 s',
      '',
    ].join('\n'),
  );
  expect(plot({ canary: [], baseline: [] }, 10, 5)).toBe('  No samples.\n');
  expect(plot({ canary: [[0, 0]], baseline: [] }, 10, 5)).toContain('●');
  expect(shortNumber(0.000_012)).toBe('1.2e-5');
});
