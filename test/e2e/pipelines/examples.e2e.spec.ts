import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { JsonValue } from '@sluice/domain';
import { EXAMPLES, recordExamples } from '../../src/replay/record-examples.ts';
import { runSluice } from '../../support/cli.ts';
import { approve } from '../../support/deciders.ts';
import { type PromotionAnswer, REQUEST_PROMOTION } from '../../support/documents.ts';
import { startTestStack, type TestStack } from '../../support/e2e-stack.ts';
import { NIX_SYSTEM } from '../../support/nix-flake.ts';
import { makePipelineWorld, type PipelineWorld } from '../../support/pipeline-world.ts';
import { findContradictions } from '../../support/promotion-checks.ts';
import { findService, serviceImage } from '../../support/service-images.ts';
import { type Answered, StackClient } from '../../support/stack-client.ts';

/*
 * The five examples, each in an environment of its own, on one stack of real processes. With SLUICE_RECORD_HISTORIES=1 their histories are
 * written to test/replay/histories, where today's workflows replay them without a stack.
 */
const FOLDER = fileURLToPath(EXAMPLES);
const PIPELINES: Readonly<Record<string, string>> = {
  hotfix: 'hotfix-lane',
  regions: 'fan-out-by-region',
  database: 'database-migration',
  production: 'nix-build-to-deployment',
  shop: 'monorepo',
};
const LISTS = fileURLToPath(new URL('../../support/pipelines/large-lists.yaml', import.meta.url));
const REGIONS = {
  'host-north': 'eu-north',
  'host-west': 'eu-west',
  'host-east': 'us-east',
  'host-south-1': 'ap-south',
  'host-south-2': 'ap-south',
  'host-south-3': 'ap-south',
};

let world: PipelineWorld;
let made: TestStack;
let approver: StackClient;
/** In the order in which they were asked for. */
const asked: { readonly environment: string; readonly promotionId: string }[] = [];

beforeAll(async () => {
  world = await makePipelineWorld([
    ...['database-owners', 'on-call', 'release-managers', 'releases', 'shop'],
  ]);
  const place = (name: string, position: number, parameters: Record<string, JsonValue>) => ({
    ...{ name, position, after: [], pipeline: PIPELINES[name] ?? name },
    parameters,
  });
  made = await startTestStack({
    images: [serviceImage('1.0.0'), serviceImage('2.0.0'), serviceImage('3.0.0', 'unverifiable')],
    scannerMode: 'clean',
    pipelines: [...Object.values(PIPELINES).map((name) => `${FOLDER}${name}.yaml`), LISTS],
    environments: [
      place('hotfix', 1, { watchSeconds: 3, glanceSeconds: 2 }),
      place('regions', 2, { watchSeconds: 2 }),
      place('database', 3, { tools: world.tools, soakSeconds: 1 }),
      place('production', 4, { flake: world.flake, system: NIX_SYSTEM }),
      place('shop', 5, { flake: world.flake, system: NIX_SYSTEM, soakSeconds: 1 }),
      place('large-lists', 6, {}),
    ],
    targets: [
      { name: 'host-hotfix', environment: 'hotfix' },
      ...Object.entries(REGIONS).map(([name, region]) => ({
        ...{ name, environment: 'regions', labels: { region } },
        ...(name === 'host-south-3' ? { settings: { EXITS_IN: '2.0.0' } } : {}),
      })),
      { name: 'host-database', environment: 'database', health: { failures: 40 } },
      { name: 'host-nix', environment: 'production' },
      { name: 'host-shop', environment: 'shop' },
      { name: 'host-lists', environment: 'large-lists' },
    ],
    env: { worker: world.workerEnv },
  });
  approver = new StackClient(made.stack, 'approver');
}, 240_000);

afterAll(async () => {
  await made?.remove();
  await world?.remove();
}, 60_000);

/** Asks for a promotion; without a release where the pipeline makes one. */
async function request(
  environment: string,
  parameters: Readonly<Record<string, JsonValue>>,
  release?: string,
): Promise<string> {
  const input = { environment, parameters, idempotencyKey: randomUUID() };
  const { requestPromotion: answer } = await made.client.ask<{
    requestPromotion: Answered<{ readonly id: string }>;
  }>(REQUEST_PROMOTION, { input: release === undefined ? input : { ...input, release } });
  if (answer.__typename !== 'Promotion') throw new Error(JSON.stringify(answer));
  const { id } = answer as { readonly id: string };
  asked.push({ environment, promotionId: id });
  return id;
}

async function untilSealed(id: string): Promise<PromotionAnswer> {
  const promotion = await made.client.untilSealed(id, 90);
  const contradictions = await findContradictions(made.stack, promotion);
  // What is put back runs within its group, too.
  expect(contradictions.filter((one) => !/event twice: \["lease\..*"group:/.test(one))).toEqual([]);
  return promotion;
}

function statesOf({ steps }: PromotionAnswer): Readonly<Record<string, string>> {
  return Object.fromEntries(steps.map(({ id, state }) => [id, state]));
}

/** When each of these steps began and when it ended; milliseconds. */
async function timesOf(id: string, steps: readonly string[]): Promise<readonly number[]> {
  const { promotion } = await made.client.ask<{
    promotion: {
      steps: readonly { id: string; startedAt: string | null; endedAt: string | null }[];
    };
  }>('query ($id: ID!) { promotion(id: $id) { steps { id startedAt endedAt } } }', { id });
  const found = new Map(promotion.steps.map((step) => [step.id, step]));
  return steps.flatMap((name) => {
    const { startedAt, endedAt } = found.get(name) ?? {};
    return [Date.parse(startedAt ?? ''), Date.parse(endedAt ?? '')];
  });
}

async function versionOn(target: string): Promise<string | undefined> {
  return (await findService(made.stack.getServicePort(target)))?.version;
}

async function textsOf(channel: string): Promise<readonly string[]> {
  return (await world.readTold(channel)).map(({ text }) => text);
}

test('the hotfix lane: a long watch, or a short one that somebody hears of', async () => {
  const { client } = made;
  const first = await request('hotfix', {}, (await client.release('1.0.0')).id);
  await approve(approver, first);
  const calm = await untilSealed(first);
  expect([calm.state, calm.reason]).toEqual(['SUCCEEDED', null]);
  expect(statesOf(calm)).toMatchObject({
    ...{ watch: 'SUCCEEDED', glance: 'SKIPPED', 'say-urgent': 'SKIPPED', 'say-failed': 'SKIPPED' },
  });
  expect(await versionOn('host-hotfix')).toBe('1.0.0');

  const urgent = { urgent: true, incident: 'INC-7' };
  const second = await request('hotfix', urgent, (await client.release('2.0.0')).id);
  await approve(approver, second);
  const fast = await untilSealed(second);
  expect([fast.state, fast.reason]).toEqual(['SUCCEEDED', null]);
  expect(statesOf(fast)).toMatchObject({
    ...{ watch: 'SKIPPED', glance: 'SUCCEEDED', 'say-urgent': 'SUCCEEDED' },
  });
  expect(await versionOn('host-hotfix')).toBe('2.0.0');
  expect(await textsOf('release-managers')).toEqual([
    'Hotfix 2.0.0 for INC-7 was watched for 2 seconds only.',
  ]);

  const third = await request('hotfix', urgent, (await client.release('3.0.0')).id);
  await approve(approver, third);
  const bad = await untilSealed(third);
  expect([bad.state, bad.reason?.code]).toEqual(['REVERTED', 'target-unhealthy']);
  expect(statesOf(bad)).toMatchObject({ deploy: 'REVERTED', verify: 'FAILED', glance: 'SKIPPED' });
  expect(await versionOn('host-hotfix')).toBe('2.0.0');
  expect(await textsOf('on-call')).toEqual([
    'Hotfix 3.0.0 for INC-7 did not go through; what it had changed was put back.',
  ]);
}, 120_000);

test('fan-out by region: a host that fails costs its region nothing while two others run', async () => {
  const { client } = made;
  const first = await untilSealed(await request('regions', {}, (await client.release('1.0.0')).id));
  expect([first.state, first.reason]).toEqual(['SUCCEEDED', null]);
  const second = await untilSealed(
    await request('regions', {}, (await client.release('2.0.0')).id),
  );
  expect([second.state, second.reason?.code]).toEqual(['SUCCEEDED', 'failures-tolerated']);
  expect(statesOf(second)).toMatchObject({
    ...{ canary: 'SUCCEEDED', europe: 'SUCCEEDED', america: 'SUCCEEDED', asia: 'PARTIAL' },
    ...{ verify: 'SUCCEEDED', report: 'SUCCEEDED' },
  });
  expect(await versionOn('host-south-3')).toBe('1.0.0');
  expect(await versionOn('host-south-1')).toBe('2.0.0');
  expect((await textsOf('releases')).slice(0, 2)).toEqual([
    'app 1.0.0: Europe succeeded, America succeeded, Asia succeeded',
    'app 2.0.0: Europe succeeded, America succeeded, Asia partial',
  ]);
}, 120_000);

test('a database migration: forth with the release, and back with it', async () => {
  const { client, stack } = made;
  await world.makeShopDatabase(stack);
  const askUrl = `http://127.0.0.1:${stack.getServicePort('host-database')}/readyz/schema`;
  const good = await request('database', { askUrl }, (await client.release('1.0.0')).id);
  await approve(approver, good);
  const forth = await untilSealed(good);
  expect([forth.state, forth.reason]).toEqual(['SUCCEEDED', null]);
  expect(await world.listSchemaVersions(stack)).toEqual([41, 42]);
  expect(forth.steps.find(({ id }) => id === 'backup')?.outputs).toHaveProperty('dump');

  const next = { askUrl, from: 42, to: 43 };
  const bad = await request('database', next, (await client.release('3.0.0')).id);
  await approve(approver, bad);
  const back = await untilSealed(bad);
  expect([back.state, back.reason?.code]).toEqual(['REVERTED', 'target-unhealthy']);
  expect(statesOf(back)).toMatchObject({
    ...{ backup: 'SUCCEEDED', migrate: 'REVERTED', deploy: 'REVERTED', verify: 'FAILED' },
  });
  expect(await world.listSchemaVersions(stack)).toEqual([41, 42, 43, 42]);
  expect(await versionOn('host-database')).toBe('1.0.0');
  expect(await textsOf('database-owners')).toEqual([
    `Migration 42 to 43 of database did not hold: see promotion ${bad}`,
  ]);
}, 120_000);

test('from a nix build to a deployment: the promotion makes its release', async () => {
  const id = await request('production', { version: '1.4.0' });
  await approve(approver, id);
  const promotion = await untilSealed(id);
  expect([promotion.state, promotion.reason]).toEqual(['SUCCEEDED', null]);
  expect(statesOf(promotion)).toMatchObject({ build: 'SUCCEEDED', 'say-released': 'SUCCEEDED' });
  expect(await versionOn('host-nix')).toBe('hello');
  expect(await textsOf('releases')).toContain('hello 1.4.0 runs in production');
}, 120_000);

test('a monorepo: three components in their order, one release', async () => {
  const promotion = await untilSealed(await request('shop', { version: '2026.11.22' }));
  expect([promotion.state, promotion.reason]).toEqual(['SUCCEEDED', null]);
  expect(Object.values(statesOf(promotion)).filter((state) => state !== 'SUCCEEDED')).toEqual([]);
  const times = await timesOf(promotion.id, ['contracts', 'api', 'web']);
  expect(times.filter(Number.isFinite)).toHaveLength(6);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  expect(await versionOn('host-shop')).toBe('web');
  expect(await textsOf('shop')).toEqual(['shop 2026.11.22 in shop: succeeded']);
}, 120_000);

test('a megabyte goes from step to step, and a matrix over a part of it, through no history', async () => {
  const { client } = made;
  const { id: release } = await client.release('1.0.0');
  const input = { environment: 'large-lists', release, idempotencyKey: randomUUID() };
  const { requestPromotion: answer } = await client.ask<{
    requestPromotion: Answered<{ readonly id: string }>;
  }>(REQUEST_PROMOTION, { input });
  if (answer.__typename !== 'Promotion') throw new Error(JSON.stringify(answer));
  const { id } = answer as { readonly id: string };
  const promotion = await untilSealed(id);
  expect([promotion.state, promotion.reason]).toEqual(['SUCCEEDED', null]);
  const { list, whole, matrix } = await client.ask<Record<string, JsonValue>>(
    `query ($id: ID!) {
      list: stepOutput(promotion: $id, step: "list", name: "hosts") { isEnd output { digest bytes } }
      whole: stepOutput(promotion: $id, step: "whole", name: "bytes") { text }
      matrix: promotion(id: $id) { steps { id memberCounts { succeeded } } }
    }`,
    { id },
  );
  const bytes = 1_062_891;
  expect(list).toEqual({
    isEnd: false,
    output: { digest: expect.stringMatching(/^sha256:/), bytes },
  });
  expect(whole).toEqual({ text: `${bytes}` });
  expect(matrix).toMatchObject({
    steps: expect.arrayContaining([{ id: 'each', memberCounts: { succeeded: 8 } }]),
  });
}, 120_000);

test('the history of each replays', async () => {
  const { stack } = made;
  const env = {
    SLUICE_API_URL: stack.apiUrl,
    SLUICE_TOKEN: stack.tokens['release-manager'] ?? '',
  };
  const newest = new Map(asked.map(({ environment, promotionId }) => [environment, promotionId]));
  expect([...newest.keys()].sort()).toEqual(Object.keys(PIPELINES).sort());
  const { status, stdout, stderr } = await runSluice(
    ['replay', ...newest.values(), '--reason', 'a test', '--json'],
    env,
  );
  if (status !== 0) throw new Error(`Not all of them replay: ${stdout} ${stderr}`);
  const { histories = 0, deterministic } = JSON.parse(stdout) as Record<string, number>;
  expect(histories).toBeGreaterThanOrEqual(newest.size);
  expect(deterministic).toBe(histories);
  if (process.env.SLUICE_RECORD_HISTORIES !== '1') return;
  const runs = asked.map(({ environment, promotionId }) => {
    return { promotionId, pipeline: PIPELINES[environment] ?? environment };
  });
  console.info(`recorded ${(await recordExamples(runs, env)).join(', ')}`);
}, 180_000);
