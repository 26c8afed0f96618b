import { expect, test } from '@jest/globals';
import {
  ANALYSIS_SCHEMA,
  type AnalysisDocument,
  type AnalysisInput,
  composeAnalysis,
  judgeAnalysis,
  PREDICATE_TYPES,
} from '@sluice/domain';
import { canonicalJson, digestOf } from '@sluice/pure';
import { findAnalysisProblem, isAnalysisDocument } from './analysis-statement.ts';
import { generateKeyPair } from './key-pair.ts';
import { packetText, sealPacket } from './packet.ts';
import { composeStatement } from './statement.ts';
import { createTrustRoot } from './trust-root.ts';
import { verifyPacket } from './verify-packet.ts';

const pair = generateKeyPair();
const trustRoot = createTrustRoot([
  {
    publicKey: pair.publicKey,
    use: 'evidence',
    notBefore: '2026-01-01T00:00:00Z',
    notAfter: null,
  },
]);
const context = {
  promotionId: 'dev/1',
  release: { name: 'shop', version: '1.0.0', digest: `sha256:${'ab'.repeat(32)}` },
};
const facts = {
  state: 'failed' as const,
  reason: { code: 'analysis-critical-metric', message: 'It was bad.' },
  endedAt: '2026-11-21T12:00:00Z',
  environment: 'dev',
};

const points = (least: number) =>
  Array.from({ length: 20 }, (_, at) => [at * 5, least + (at % 4)] as const);
const INPUT: AnalysisInput = {
  schema: ANALYSIS_SCHEMA,
  stepId: 'rollout',
  round: 1,
  stage: 0,
  rules: {
    metrics: [
      {
        name: 'latency',
        direction: 'increase',
        nanStrategy: 'remove',
        critical: true,
        mustHaveData: true,
        weight: 1,
        effect: {},
        confidence: 0.98,
      },
    ],
    passScore: 95,
    marginalScore: 75,
    looks: 1,
    minSamples: 8,
  },
  look: 1,
  from: '2026-11-21T11:58:00Z',
  to: '2026-11-21T11:59:40Z',
  stepSeconds: 5,
  targets: { canary: ['web-1'], baseline: ['web-2'] },
  metrics: [
    {
      name: 'latency',
      provider: 'probes',
      kind: 'probes',
      query: 'latency-p90',
      pointer: null,
      canary: points(30),
      baseline: points(10),
      trouble: null,
    },
  ],
};
const DOCUMENT = composeAnalysis(INPUT, judgeAnalysis);

function problemsOf(document: AnalysisDocument): string[] {
  const statement = composeStatement(PREDICATE_TYPES.analysis, context, {
    documentDigest: digestOf(document),
    document,
  });
  const text = packetText(sealPacket(context, facts, [statement], pair));
  return verifyPacket(text, trustRoot).problems.map(({ statement: at, code }) => `${at}: ${code}`);
}

test('an analysis in a packet is judged again, offline', () => {
  expect(DOCUMENT.conclusion.outcome).toBe('fail');
  expect(problemsOf(DOCUMENT)).toEqual([]);
});

test('a packet whose analysis says another thing than its samples does not verify, whoever signed it', () => {
  const pass = { outcome: 'pass', score: 100, reason: null } as const;
  const lie = { ...DOCUMENT, conclusion: pass };
  expect(problemsOf(lie)).toEqual(['statements[0] (urn:sluice:analysis:v1): analysis-differs']);
  expect(findAnalysisProblem(lie)).toMatch(
    /judged again, come to fail \(analysis-critical-metric\)/,
  );
});

test('the same input gives the same bytes after a way through JSON', () => {
  const read = JSON.parse(canonicalJson(DOCUMENT)) as AnalysisDocument;
  const { verdict: _verdict, conclusion: _conclusion, ...input } = read;
  expect(canonicalJson(composeAnalysis(input, judgeAnalysis))).toBe(canonicalJson(DOCUMENT));
});

test('trouble of one provider keeps a pass from passing, and a critical failure a failure', () => {
  const trouble = { code: 'analysis-provider-down', message: 'It did not answer.' } as const;
  const [metric] = INPUT.metrics;
  const [rule] = INPUT.rules.metrics;
  if (metric === undefined || rule === undefined) throw new Error('There is no metric.');
  const other = { ...metric, name: 'errors', canary: [], baseline: [], trouble };
  const conclude = (canary: (typeof metric)['canary']) =>
    composeAnalysis(
      {
        ...INPUT,
        rules: { ...INPUT.rules, metrics: [rule, { ...rule, name: 'errors', critical: false }] },
        metrics: [{ ...metric, canary }, other],
      },
      judgeAnalysis,
    ).conclusion;
  expect(conclude(points(10))).toMatchObject({
    outcome: 'inconclusive',
    reason: { code: 'analysis-provider-down', message: 'errors: It did not answer.' },
  });
  expect(conclude(points(90))).toMatchObject({ outcome: 'fail' });
});

test.each([
  ['a number that is none', { look: Number.NaN }],
  ['another schema', { schema: 'sluice.analysis/v2' }],
  ['a time that is none', { from: 'yesterday' }],
  ['a class of its own', { more: true }],
  ['a name that is none', { targets: { canary: ['../x'], baseline: [] } }],
  ['a point of three', { metrics: [{ ...INPUT.metrics[0], canary: [[1, 2, 3]] }] }],
])('%s is no document', (_what, changed) => {
  expect(isAnalysisDocument(DOCUMENT)).toBe(true);
  expect(isAnalysisDocument({ ...DOCUMENT, ...changed })).toBe(false);
});
