import { afterAll, expect, test } from '@jest/globals';
import { forgetProbeSamples, insertProbeSamples, withTenant } from '@sluice/persistence';
import { createPromotionScene, SCENE_TENANT } from '../testing/promotion-scene.ts';
import type { ProviderQuery } from './analysis-provider.ts';
import { createProbesProvider } from './probes-provider.ts';

const NEW = `sha256:${'1'.repeat(64)}`;
const OLD = `sha256:${'0'.repeat(64)}`;
const FROM = Math.floor(Date.now() / 5000) * 5000 - 60_000;
const scene = await createPromotionScene({ targets: ['web-1', 'web-2', 'web-3'] });
afterAll(() => scene.database.drop());

interface Given {
  readonly second: number;
  readonly requests?: number;
  readonly errors?: number;
  readonly p90Ms?: number | null;
  readonly activeRelease?: string | null;
}

async function measure(target: string, given: readonly Given[]): Promise<void> {
  const samples = given.map(({ second, ...one }) => ({
    ...{ sampledAt: new Date(FROM + second * 1000).toISOString(), seconds: 5, requests: 10 },
    ...{ errors: 0, p50Ms: 1, p90Ms: 2, p99Ms: 3, activeRelease: NEW },
    ...one,
  }));
  await withTenant(scene.app, SCENE_TENANT, (tx) => insertProbeSamples(tx, target, samples));
}

function ask(query: string, changed: Partial<ProviderQuery> = {}) {
  return createProbesProvider(scene.worker).query(
    {
      query,
      pointer: null,
      side: 'canary',
      targets: ['web-1'],
      from: FROM,
      to: FROM + 20_000,
      stepSeconds: 5,
      maxPoints: 100,
      ...changed,
    },
    {
      tenantId: SCENE_TENANT,
      environment: 'dev',
      promotionId: 'dev/1',
      releaseDigest: NEW,
      cancellation: new AbortController().signal,
    },
  );
}

test('a target’s interval is a sample, of the new side while the new release is active there', async () => {
  await measure('web-1', [
    { second: 0, activeRelease: OLD, errors: 10 },
    { second: 5, errors: 1 },
    { second: 10, requests: 0, p90Ms: null },
    { second: 15, errors: 5, p90Ms: 40 },
    { second: 25, errors: 10 },
  ]);
  expect(await ask('error-rate')).toEqual([
    [5, 0.1],
    [10, null],
    [15, 0.5],
  ]);
  expect(await ask('latency-p90')).toEqual([
    [5, 2],
    [10, null],
    [15, 40],
  ]);
  expect((await ask('request-rate')).map(([, value]) => value)).toEqual([2, 0, 2]);
});

test('a longer step joins intervals by their requests, each target on its own', async () => {
  await measure('web-2', [
    { second: 0, requests: 30, errors: 3, activeRelease: OLD, p90Ms: 10 },
    { second: 5, requests: 10, errors: 5, activeRelease: OLD, p90Ms: 50 },
    { second: 10, activeRelease: null },
  ]);
  await measure('web-3', [{ second: 0, errors: 10, activeRelease: OLD }]);
  const old = { side: 'baseline', targets: ['web-2', 'web-3'], stepSeconds: 10 } as const;
  expect(await ask('error-rate', old)).toEqual([
    [0, 0.2],
    [0, 1],
  ]);
  expect((await ask('latency-p90', old))[0]).toEqual([0, 20]);
  // Of more targets than there is room for, some stand for all.
  expect(await ask('error-rate', { ...old, maxPoints: 4 })).toEqual([[0, 0.2]]);
});

test('old samples are forgotten', async () => {
  await measure('web-3', [{ second: -8 * 24 * 3600 }]);
  const forget = () => withTenant(scene.worker, SCENE_TENANT, (tx) => forgetProbeSamples(tx));
  expect(await forget()).toBe(1);
  expect(await forget()).toBe(0);
});
