import { afterAll, expect, test } from '@jest/globals';
import type { FrozenRules } from '@sluice/temporal-contract';
import { createOutboundClients } from '../outbound/outbound-clients.ts';
import { createFakeRun, localClients } from '../outbound/testing/fake-run.ts';
import { serveLocally } from '../outbound/testing/local-server.ts';
import { createPromotionScene, SCENE_TENANT } from '../testing/promotion-scene.ts';
import { createSoakStep } from './soak.step.ts';

const server = await serveLocally((_request, response) => response.end());
const scene = await createPromotionScene({
  targets: ['dev-1', 'dev-2'],
  target: {
    health: {
      path: '/own',
      port: server.port,
      intervalMs: 1000,
      timeoutMs: 500,
      successes: 1,
      failures: 1,
    },
  },
});
afterAll(async () => {
  await server.close();
  await scene.database.drop();
});

const base = createFakeRun('soak', { seconds: 1 });
const promotion = { tenantId: SCENE_TENANT, promotionId: 'dev/1' };
const rules = { targets: ['dev-1', 'dev-2'] as readonly string[] } as FrozenRules;

test("without probes each target's own is asked, on loopback too", async () => {
  // The lists are for what pipelines name: these URLs come from the configuration.
  const step = createSoakStep({ pool: scene.worker, outbound: createOutboundClients() });
  const run = createFakeRun('soak', { seconds: 1 }, { rules, input: { ...base.input, promotion } });
  expect((await step.run(run)).result.values).toEqual({ rounds: 1 });
  expect(server.seen.map(({ url }) => url)).toEqual(['/own', '/own']);
});

test('for one target only that one is asked', async () => {
  const before = server.seen.length;
  const input = { ...base.input, promotion, target: 'dev-2' };
  const run = createFakeRun('soak', { seconds: 1 }, { rules, input });
  const step = createSoakStep({ pool: scene.worker, outbound: localClients() });
  expect((await step.run(run)).result.outcome).toBe('succeeded');
  expect(server.seen.length - before).toBe(1);
});

test('a target that is sick is named', async () => {
  await server.close();
  const step = createSoakStep({ pool: scene.worker, outbound: localClients() });
  const run = createFakeRun(
    'soak',
    { seconds: 9, everySeconds: 1 },
    { rules, input: { ...base.input, promotion } },
  );
  expect((await step.run(run)).result.reason).toMatchObject({
    code: 'soak-unhealthy',
    message: expect.stringMatching(/^dev-1 \(http:.*\/own\) failed after .*ECONNREFUSED/),
  });
});
