import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { AnalysisDocument, JsonValue } from '@sluice/domain';
import { createFolderStore, type EvidenceStore } from '@sluice/evidence-store';
import { createLogger } from '@sluice/observability';
import {
  insertProbeSamples,
  insertRollout,
  listStatements,
  setCurrentRelease,
  storeRules,
  withTenant,
} from '@sluice/persistence';
import { findAnalysisProblem, readAnalysisPredicate, readStatement } from '@sluice/signing';
import type { ActivityScope } from '../activity-scope.ts';
import { createOutboundClients } from '../outbound/outbound-clients.ts';
import { type LocalServer, serveLocally } from '../outbound/testing/local-server.ts';
import { readProgress, tellProgress } from '../soak/soak-progress.ts';
import { createFakeScope } from '../testing/fake-scope.ts';
import { createInMemorySigner } from '../testing/in-memory-signer.ts';
import {
  createPromotionScene,
  type PromotionScene,
  SCENE_TENANT,
  SCENE_TRACEPARENT,
} from '../testing/promotion-scene.ts';
import { createConfiguredProviders } from './analysis-providers.ts';
import { createWatchStageActivities } from './watch-stage.activities.ts';

const TARGETS = ['web-1', 'web-2', 'web-3', 'web-4'];
const OLD = `sha256:${'0'.repeat(64)}`;
const ERRORS = { name: 'errors', provider: 'probes', query: 'error-rate', direction: 'increase' };

let scene: PromotionScene;
let folder: string;
let evidence: EvidenceStore;
let server: LocalServer;
let release: string;
let promotionId: string;
let statusOf: (count: number) => number;
let minutes = 0;
/** When the stage of this test began; each test has an hour of its own. */
let began: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-analysis-'));
  evidence = createFolderStore(folder);
  server = await serveLocally((_request, response, count) => {
    response.writeHead(statusOf(count)).end();
  });
  const health = { path: '/healthz', intervalMs: 10, timeoutMs: 500, successes: 1, failures: 1 };
  scene = await createPromotionScene({
    targets: TARGETS,
    target: { health: { ...health, port: server.port } },
  });
  release = await scene.addRelease('1.3.0');
  const old = await scene.addRelease('1.2.0');
  const { promotionId: before } = await scene.addPromotion(old);
  await withTenant(scene.worker, SCENE_TENANT, async (tx) => {
    for (const target of TARGETS) {
      const side = { release: OLD, components: [], settings: {} };
      await setCurrentRelease(tx, { target, promotionId: before, side: { ...side, release: old } });
    }
  });
});
afterAll(async () => {
  await server.close();
  await scene.database.drop();
  await rm(folder, { recursive: true });
});

beforeEach(async () => {
  statusOf = () => 200;
  minutes += 60;
  began = Math.floor(Date.now() / 5000) * 5000 - minutes * 60_000;
  ({ promotionId } = await scene.addPromotion(release));
});

interface Stage {
  readonly analysis?: JsonValue;
  readonly soakSeconds?: number;
  readonly exposed?: number;
}

async function layOut({ analysis, soakSeconds = 1, exposed = 1 }: Stage): Promise<void> {
  await withTenant(scene.worker, SCENE_TENANT, async (tx) => {
    await storeRules(tx, promotionId, { targets: TARGETS });
    await insertRollout(tx, {
      promotionId,
      stepId: 'deploy',
      round: 1,
      strategy: 'canary',
      layout: {
        strategy: 'canary',
        stages: [
          {
            name: 'wave-1',
            from: 0,
            to: exposed,
            maxParallel: 1,
            canaryPermille: null,
            soakSeconds,
            analyse: analysis !== undefined,
            gate: false,
            pause: false,
          },
        ],
        router: null,
        onFail: 'revert',
        onInconclusive: 'pause',
        pauseSeconds: 60,
        members: TARGETS,
      },
      inputs: {
        strategy: 'canary',
        intervalSeconds: 1,
        ...(analysis === undefined ? {} : { analysis }),
      },
      routeBefore: null,
    });
  });
}

/** A minute of samples, twelve a target; `errors` of 50 requests by target and interval. */
async function measure(
  errors: (target: string, interval: number) => number,
  targets = TARGETS,
): Promise<void> {
  await withTenant(scene.app, SCENE_TENANT, async (tx) => {
    for (const target of targets) {
      const samples = Array.from({ length: 12 }, (_, interval) => ({
        sampledAt: new Date(began + interval * 5000).toISOString(),
        seconds: 5,
        requests: 50,
        errors: errors(target, interval),
        p50Ms: 10 + (interval % 3),
        p90Ms: 20,
        p99Ms: 30,
        activeRelease: target === 'web-1' ? release : OLD,
      }));
      await insertProbeSamples(tx, target, samples);
    }
  });
}

function watch(
  changed: Partial<ActivityScope> = {},
  { since = new Date(began).toISOString(), prometheus = 'http://127.0.0.1:1' } = {},
) {
  const { watchStage } = createWatchStageActivities({
    pool: scene.worker,
    evidence,
    signer: createInMemorySigner(),
    logger: createLogger({ service: 'test', level: 'silent' }),
    scope: () => createFakeScope(changed),
    outbound: createOutboundClients(),
    analysisProviders: createConfiguredProviders({
      [SCENE_TENANT]: { prom: { kind: 'prometheus', url: prometheus, timeoutSeconds: 1 } },
    }),
    // The look is a minute after the stage began, however long ago that was.
    now: () => Math.max(Date.parse(since), began) + 60_000,
  });
  const promotion = { tenantId: SCENE_TENANT, promotionId };
  const traceparent = SCENE_TRACEPARENT;
  return watchStage({ promotion, stepId: 'deploy', round: 1, stage: 0, since, traceparent });
}

async function readDocument(digest: string | null): Promise<AnalysisDocument> {
  const bytes = await evidence.getBytes(digest ?? '', { maxBytes: 1_000_000 });
  return JSON.parse(Buffer.from(bytes).toString('utf8')) as AnalysisDocument;
}

/** A little noise on both sides. */
const alike = (target: string, interval: number): number => (interval + target.length) % 2;

test('a canary as good as the others passes; a second run answers the same and looks at nothing', async () => {
  await layOut({ analysis: { metrics: [ERRORS] } });
  await measure(alike);
  const verdict = await watch();
  expect(verdict).toMatchObject({ outcome: 'pass', reason: null, score: 100 });
  const document = await readDocument(verdict.analysisDigest);
  expect(document.targets).toEqual({ canary: ['web-1'], baseline: ['web-2', 'web-3', 'web-4'] });
  expect(document.metrics[0]?.canary).toHaveLength(12);
  expect(document.metrics[0]?.baseline).toHaveLength(36);
  expect(findAnalysisProblem(document)).toBeUndefined();
  const [signed] = await withTenant(scene.worker, SCENE_TENANT, (tx) =>
    listStatements(tx, promotionId),
  );
  const read = readStatement(Buffer.from(signed?.envelope.payload ?? '', 'base64'));
  const predicate = read.ok ? readAnalysisPredicate(read.value.statement) : undefined;
  expect(predicate).toMatchObject({ documentDigest: verdict.analysisDigest, document });
  const asked = server.seen.length;
  expect(await watch()).toEqual(verdict);
  expect(server.seen).toHaveLength(asked);
});

test('a bad canary ends it at the first look that is sure', async () => {
  await layOut({ analysis: { metrics: [{ ...ERRORS, critical: true }] }, soakSeconds: 8 });
  await measure((target, interval) =>
    target === 'web-1' ? 10 + interval : alike(target, interval),
  );
  expect(await watch()).toMatchObject({
    outcome: 'fail',
    reason: { code: 'analysis-critical-metric', message: expect.stringContaining('errors') },
  });
});

test('a single bad interval fails nothing', async () => {
  await layOut({ analysis: { metrics: [{ ...ERRORS, critical: true }] } });
  await measure((target, interval) =>
    target === 'web-1' && interval === 4 ? 40 : alike(target, interval),
  );
  expect((await watch()).outcome).not.toBe('fail');
});

test('a canary without traffic is nobody’s pass', async () => {
  await layOut({ analysis: { metrics: [ERRORS] } });
  await measure(alike, ['web-2', 'web-3', 'web-4']);
  expect(await watch()).toMatchObject({
    outcome: 'inconclusive',
    reason: { code: 'analysis-no-data' },
  });
});

test.each([
  [
    'prom',
    'up',
    'analysis-provider-down',
    /errors: Provider prom: It did not answer.*ECONNREFUSED/,
  ],
  ['prom', 'sum(rate(x[1m]))', 'analysis-query-refused', /looks back over \[1m\]/],
  ['grafana', 'up', 'analysis-provider-unknown', /no provider grafana/],
])(
  'where %s gives nothing for %s, nobody can say',
  async (provider, query, code, message) => {
    await layOut({
      analysis: {
        metrics: [
          { ...ERRORS, provider, query },
          { ...ERRORS, name: 'probed' },
        ],
      },
    });
    await measure(alike);
    const verdict = await watch();
    expect(verdict).toMatchObject({
      outcome: 'inconclusive',
      reason: { code, message: expect.stringMatching(message) },
    });
    expect(findAnalysisProblem(await readDocument(verdict.analysisDigest))).toBeUndefined();
  },
  20_000,
);

test('where all are new, thresholds alone are judged', async () => {
  const threshold = { max: 0.1 };
  await layOut({ analysis: { metrics: [{ ...ERRORS, threshold }] }, exposed: 4 });
  await measure((_target, interval) => 20 + (interval % 2));
  const verdict = await watch();
  expect(verdict).toMatchObject({
    outcome: 'fail',
    reason: { message: expect.stringContaining('No target served the old version') },
  });
});

test('a stage that is watched again after a pause has another answer', async () => {
  await layOut({ analysis: { metrics: [ERRORS] } });
  const first = await watch();
  expect(first.outcome).toBe('inconclusive');
  await measure(alike);
  expect(await watch()).toEqual(first);
  const since = new Date(began + 1).toISOString();
  const second = await watch({}, { since });
  expect(second.outcome).toBe('pass');
  expect(await watch({}, { since })).toEqual(second);
  expect(await watch()).toEqual(second);
});

test('without metrics health alone is watched; one lost answer ends nothing', async () => {
  await layOut({ soakSeconds: 2 });
  const before = server.seen.length;
  statusOf = (count) => (count === before + 1 ? 503 : 200);
  expect(await watch()).toEqual({
    outcome: 'pass',
    reason: null,
    score: null,
    analysisDigest: null,
  });
});

test('a sick target ends it at once', async () => {
  await layOut({ soakSeconds: 600, analysis: { metrics: [ERRORS] } });
  statusOf = () => 503;
  expect(await watch()).toMatchObject({
    outcome: 'fail',
    analysisDigest: null,
    reason: { code: 'stage-unhealthy', message: expect.stringMatching(/^web-1 .*HTTP 503/) },
  });
});

test('another attempt goes on where the one before was seen last', async () => {
  await layOut({ soakSeconds: 600 });
  const beats: unknown[] = [];
  const cancel = new AbortController();
  const first = watch({ heartbeat: (one) => beats.push(one), cancellation: cancel.signal });
  setTimeout(() => cancel.abort(new Error('WORKER_SHUTDOWN')), 1500);
  await expect(first).rejects.toThrow('the worker stops');
  expect(readProgress(beats.at(-1)).rounds).toBe(1);
  const progress = tellProgress({ watchedMs: 599_500, rounds: 599, failing: {} });
  const started = Date.now();
  expect((await watch({ progress, attempt: 2 })).outcome).toBe('pass');
  expect(Date.now() - started).toBeLessThan(10_000);
});
