import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { SCENE_TENANT } from '@sluice/activities/testing';
import {
  ANALYSIS_SCHEMA,
  type AnalysisDocument,
  composeAnalysis,
  judgeAnalysis,
  PREDICATE_TYPES,
} from '@sluice/domain';
import { insertRollout } from '@sluice/persistence';
import { analysisRulesOf, parseAnalysis } from '@sluice/pipeline';
import { digestOf } from '@sluice/pure';
import { composeStatement } from '@sluice/signing';
import { signStatement } from './statement-signing.ts';
import { createSignerScene, type Prepared, type SignerScene } from './testing/signer-scene.ts';

const ANALYSIS = {
  metrics: [{ name: 'errors', provider: 'probes', query: 'error-rate', direction: 'increase' }],
};
const STAGE = {
  name: 'wave-1',
  maxParallel: 1,
  canaryPermille: null,
  soakSeconds: 15,
  gate: false,
  pause: false,
};

let scene: SignerScene;
let prepared: Prepared;

beforeAll(async () => {
  scene = await createSignerScene();
  prepared = await scene.prepare({ releaseDigest: await scene.scene.addRelease('1.0.0') });
  const { promotionId } = prepared.promotion;
  await scene.asWorker((tx) =>
    insertRollout(tx, {
      promotionId,
      stepId: 'deploy',
      round: 1,
      strategy: 'canary',
      layout: {
        strategy: 'canary',
        stages: [
          { ...STAGE, from: 0, to: 1, analyse: true },
          { ...STAGE, name: 'wave-2', from: 1, to: 2, analyse: false },
        ],
        router: null,
        onFail: 'revert',
        onInconclusive: 'pause',
        pauseSeconds: 60,
        members: ['dev-1', 'dev-2'],
      },
      inputs: { strategy: 'canary', intervalSeconds: 15, analysis: ANALYSIS },
      routeBefore: null,
    }),
  );
});
afterAll(() => scene.scene.database.drop());

/** As an honest worker composes it, with samples that say nothing bad. */
function documentOf(changed: Partial<AnalysisDocument> = {}): AnalysisDocument {
  const parsed = parseAnalysis(ANALYSIS);
  if (!parsed.ok) throw new Error('The analysis is wrong.');
  const points = Array.from({ length: 12 }, (_, at) => [at * 5, at % 3] as const);
  return composeAnalysis(
    {
      schema: ANALYSIS_SCHEMA,
      stepId: 'deploy',
      round: 1,
      stage: 0,
      rules: analysisRulesOf(parsed.value, 1),
      look: 1,
      from: '2026-11-22T10:00:00.000Z',
      to: '2026-11-22T10:01:00.000Z',
      stepSeconds: 5,
      targets: { canary: ['dev-1'], baseline: ['dev-2'] },
      metrics: parsed.value.metrics.map(({ rules, provider, query, pointer }) => ({
        ...{ name: rules.name, provider, kind: 'probes' as const, query, pointer },
        ...{ canary: points, baseline: points, trouble: null },
      })),
      ...changed,
    },
    judgeAnalysis,
  );
}

/** `signed`, or the code of the refusal. */
async function sign(document: unknown, documentDigest = digestOf(document)): Promise<string> {
  const { promotionId, releaseDigest } = prepared.promotion;
  const statement = composeStatement(
    PREDICATE_TYPES.analysis,
    { promotionId, release: { name: 'hello', version: '1.0.0', digest: releaseDigest } },
    { documentDigest, document },
  );
  const request = { tenantId: SCENE_TENANT, promotionId, statement };
  const answer = await signStatement(scene.signer, scene.keyPair, request);
  return answer.ok ? 'signed' : answer.refusal.code;
}

test('what follows from its samples, by the stored rules, is signed', async () => {
  expect(documentOf().conclusion.outcome).toBe('pass');
  expect(await sign(documentOf())).toBe('signed');
});

test('a verdict that its samples do not come to is not', async () => {
  const [metric] = documentOf().metrics;
  if (metric === undefined) throw new Error('There is no metric.');
  const bad = documentOf({
    metrics: [{ ...metric, canary: metric.canary.map(([at, value]) => [at, (value ?? 0) + 50]) }],
  });
  expect(bad.conclusion.outcome).toBe('fail');
  expect(await sign(bad)).toBe('signed');
  const { verdict, conclusion } = documentOf();
  expect(await sign({ ...bad, verdict, conclusion })).toBe('analysis-differs');
  expect(await sign({ ...bad, conclusion })).toBe('analysis-differs');
});

test('rules, queries, stages and targets that the records do not have are not', async () => {
  const honest = documentOf();
  const [metric] = honest.metrics;
  if (metric === undefined) throw new Error('There is no metric.');
  const wrong: Partial<AnalysisDocument>[] = [
    { rules: { ...honest.rules, passScore: 0, marginalScore: 0 } },
    { rules: { ...honest.rules, looks: 2 } },
    { metrics: [{ ...metric, query: 'latency-p50' }] },
    { metrics: [] },
    { stage: 1 },
    { stage: 7 },
    { round: 2 },
    { stepId: 'verify' },
    { targets: { canary: ['dev-2'], baseline: [] } },
    { targets: { canary: ['dev-1'], baseline: ['dev-1', 'dev-2'] } },
  ];
  for (const changed of wrong) expect(await sign(documentOf(changed))).toBe('analysis-differs');
});

test('another form is no statement', async () => {
  const honest = documentOf();
  expect(await sign(honest, digestOf('other'))).toBe('statement-malformed');
  expect(await sign({ ...honest, more: 1 })).toBe('statement-malformed');
  expect(await sign({ ...honest, targets: null })).toBe('statement-malformed');
  expect(await sign({ ...honest, look: 0 })).toBe('statement-malformed');
});
