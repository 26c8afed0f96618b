import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { StackEnvironment } from '@sluice/infra';
import { findDisagreements } from '../support/agreement.ts';
import { type PromotionAnswer, REQUEST_PROMOTION } from '../support/documents.ts';
import { startTestStack, type TestStack } from '../support/e2e-stack.ts';
import { ALL_PLACES } from '../support/fault-sample.ts';
import { findRepeatedEffects, readJournal, stagesOf } from '../support/journal.ts';
import { isAlive } from '../support/process-alive.ts';
import { findContradictions } from '../support/promotion-checks.ts';
import type { ScannerMode } from '../support/scanner-script.ts';
import { findService, serviceImage } from '../support/service-images.ts';
import { type Answered, StackClient } from '../support/stack-client.ts';
import { findActiveFiles } from '../support/target-folder.ts';
import { waitFor } from '../support/wait-for.ts';

/*
 * One part of a stack after the other is away, silent or slow: the scanner, an agent, an API of two, Postgres, Temporal. Each
 * promotion meanwhile fails in time, or goes on when the part is back; and none overtakes another.
 */
const VERSIONS = ['1.0.0', '2.0.0', '3.0.0', '4.0.0'];
const SCANNED_BADLY: Readonly<Record<string, ScannerMode>> = {
  '5.0.0': 'hang',
  '5.0.1': 'deaf',
  '5.0.2': 'rubbish',
  '5.0.3': 'broken',
};
/** Of the environment whose agent stops. */
const DEPLOY_SECONDS = 12;
const holdFile = join(tmpdir(), `sluice-e2e-away-${process.pid}`);

let made: TestStack;
let second: StackClient;

beforeAll(async () => {
  const environments: readonly Omit<StackEnvironment, 'position'>[] = [
    { name: 'first' },
    { name: 'second', after: ['first'] },
    { name: 'third', after: ['second'] },
    { name: 'aside' },
    { name: 'short', deadlines: { scanSeconds: 8 } },
    {
      name: 'silent',
      deadlines: { deploySeconds: DEPLOY_SECONDS, revertSeconds: DEPLOY_SECONDS },
    },
    { name: 'engines' },
  ];
  made = await startTestStack({
    images: [...VERSIONS, ...Object.keys(SCANNED_BADLY)].map((tag) => serviceImage(tag)),
    scannerMode: 'clean',
    apis: 2,
    environments: environments.map((environment, position) => ({
      after: [],
      ...environment,
      position,
    })),
    targets: environments.map(({ name }) => ({
      name: `host-${name}`,
      environment: name,
      settings: name === 'engines' ? { HOLD_FILE: holdFile } : {},
    })),
    // One that is gone is seen soon.
    agents: { heartbeatSeconds: 2, staleSeconds: 5, offlineSeconds: 9 },
  });
  const { client, stack } = made;
  second = new StackClient({ graphqlUrl: stack.graphqlUrls[1] ?? '', tokens: stack.tokens });
  const { id } = await client.release('1.0.0');
  // Their short deadlines are meant for what comes later: a machine that is busy now gets another try.
  const putThere = async (environment: string): Promise<string> => {
    let ended = await client.promote(id, environment, 90);
    for (let more = 4; more > 0 && ended.state !== 'SUCCEEDED'; more -= 1) {
      ended = await client.promote(id, environment, 90);
    }
    return ended.state;
  };
  expect(await Promise.all(['aside', 'short', 'silent'].map(putThere))).toEqual([
    'SUCCEEDED',
    'SUCCEEDED',
    'SUCCEEDED',
  ]);
}, 480_000);

afterAll(async () => {
  await made?.remove();
  await rm(holdFile, { force: true });
});

describe('a scanner', () => {
  /** Failed in its scan, with nothing done after it, sealed, and no process left. */
  async function expectScanFailed(promotion: PromotionAnswer, code: string, says: RegExp) {
    expect(promotion).toMatchObject({ state: 'FAILED', reason: { code } });
    expect(promotion.reason?.message).toMatch(says);
    expect(promotion.steps.map(({ state }) => state)).toEqual([
      'FAILED',
      'SKIPPED',
      'SKIPPED',
      'SKIPPED',
      'SKIPPED',
    ]);
    expect(promotion.decision).toBeNull();
    expect(promotion.deployments).toEqual([]);
    expect(promotion.packet).not.toBeNull();
    const { scanner, stack } = made;
    const host = `host-${promotion.id.split('/')[0]}`;
    expect((await scanner.listPids()).filter(isAlive)).toEqual([]);
    expect(await findContradictions(stack, promotion)).toEqual([]);
    expect(await findService(stack.getServicePort(host))).toMatchObject({ version: '1.0.0' });
  }

  async function promoteWith(environment: string, version: string): Promise<PromotionAnswer> {
    const { client, scanner } = made;
    const release = await client.release(version);
    await scanner.setModeOf(release.image, SCANNED_BADLY[version] ?? 'clean');
    return client.promote(release.id, environment);
  }

  test.each([
    ['hangs', '5.0.0'],
    ['hangs and ignores SIGTERM', '5.0.1'],
  ])('that %s is ended with all its children by the deadline', async (_, version) => {
    const promotion = await promoteWith('short', version);
    await expectScanFailed(promotion, 'scanner-failed', /did not end within .* s and was stopped/s);
  });

  test.each([
    ['prints rubbish', '5.0.2', /output about component app .*cannot be read.*Check/s],
    ['ends badly', '5.0.3', /status 1 .*the scanner is broken/s],
  ])('that %s fails the promotion long before the deadline', async (_, version, says) => {
    await expectScanFailed(await promoteWith('aside', version), 'scanner-failed', says);
  });

  test('that is missing fails the promotion and says how to get it', async () => {
    const { client, scanner } = made;
    await scanner.uninstall();
    const release = await client.release('4.0.0');
    const promotion = await client.promote(release.id, 'aside');
    await expectScanFailed(promotion, 'scanner-unavailable', /slow-fake-trivy.*Install trivy/s);
    await scanner.install();
    expect((await client.promote(release.id, 'aside')).state).toBe('SUCCEEDED');
  });
});

describe('an agent', () => {
  const TARGET = 'host-silent';

  async function untilAgentIs(state: string): Promise<string> {
    let last: unknown;
    return waitFor(
      `the agent is ${state}`,
      async () => {
        const { agent } = await made.client.target(TARGET);
        last = agent;
        return agent?.state === state && agent.lastHeartbeatAt;
      },
      { seconds: 30 },
      () => last,
    ).then(String);
  }

  test('that is stopped is shown as stale, then offline, and a deployment to it fails in time', async () => {
    const { client, stack } = made;
    await untilAgentIs('ONLINE');
    await stack.pause(`agent-${TARGET}`);
    await untilAgentIs('STALE');
    const lastHeartbeat = await untilAgentIs('OFFLINE');

    const release = await client.release('2.0.0');
    const promotion = await client.promote(release.id, 'silent');
    // It may or may not have acted: that a person must look is said.
    expect(promotion).toMatchObject({ state: 'FAILED', reason: { code: 'revert-failed' } });
    const deploy = promotion.steps.find(({ id }) => id === 'deploy');
    expect(deploy).toMatchObject({
      state: 'FAILED',
      reason: { code: 'deploy-deadline-exceeded', message: expect.stringContaining(TARGET) },
    });
    expect(promotion.deployments).toMatchObject([
      {
        state: 'LOST',
        failure: { code: 'agent-silent', message: expect.stringContaining(TARGET) },
      },
    ]);
    const [lost] = promotion.deployments;
    expect(lost?.failure?.message).toContain(`last heartbeat: ${lastHeartbeat.slice(0, 19)}`);
    expect(promotion.packet).not.toBeNull();
  }, 120_000);

  test('that comes back refuses what has expired, and takes what is new', async () => {
    const { client, stack } = made;
    await stack.resume(`agent-${TARGET}`);
    await untilAgentIs('ONLINE');
    const key = `silent/2/deploy/${TARGET}/deploy`;
    const refusal = await waitFor('the expired command is refused', async () =>
      (await readJournal(stack, TARGET)).find(({ idempotencyKey }) => idempotencyKey === key),
    );
    expect(refusal).toMatchObject({ stage: 'refused', failure: { code: 'command-expired' } });
    const lines = await readJournal(stack, TARGET);
    expect(stagesOf(lines, key)).toEqual(['refused']);
    expect(findRepeatedEffects(lines)).toEqual([]);
    expect(await findActiveFiles(stack, TARGET)).toMatchObject({ version: '1.0.0' });
    expect(await findService(stack.getServicePort(TARGET))).toMatchObject({ version: '1.0.0' });

    const promotion = await client.promote((await client.release('3.0.0')).id, 'silent');
    expect(promotion.state).toBe('SUCCEEDED');
    expect(await findService(stack.getServicePort(TARGET))).toMatchObject({ version: '3.0.0' });
  }, 120_000);
});

async function ask(
  client: StackClient,
  release: string,
  environment: string,
  idempotencyKey: string = randomUUID(),
): Promise<Answered<{ readonly id: string }>> {
  const { data, errors } = await client.post<{ requestPromotion: Answered<{ id: string }> }>(
    REQUEST_PROMOTION,
    { input: { release, environment, idempotencyKey } },
  );
  if (data === null) throw new Error(JSON.stringify(errors));
  return data.requestPromotion;
}

test('a release reaches an environment only as the digest that was verified before', async () => {
  const { client, stack } = made;
  const release = await client.release('1.0.0');
  expect(await ask(client, release.id, 'second')).toMatchObject({
    __typename: 'StateConflict',
    code: 'predecessor-not-verified',
  });
  await client.promote(release.id, 'first', 90);
  expect(await ask(client, release.id, 'third')).toMatchObject({
    code: 'predecessor-not-verified',
  });
  for (const environment of ['second', 'third']) {
    const promotion = await client.promote(release.id, environment, 90);
    expect(promotion).toMatchObject({ state: 'SUCCEEDED' });
    expect(await findDisagreements(stack, promotion)).toEqual([]);
  }
}, 180_000);

test('asked twice with one key, at once and through two API processes: one promotion', async () => {
  const { client } = made;
  const release = await client.release('2.0.0');
  const key = randomUUID();
  const answers = await Promise.all(
    [client, second, client, second].map((one) => ask(one, release.id, 'first', key)),
  );
  const ids = new Set(answers.map((answer) => ('id' in answer ? answer.id : answer.code)));
  expect([...ids]).toEqual([expect.stringMatching(/^first\/\d+$/)]);
  const other = await ask(second, release.id, 'aside', key);
  expect(other).toMatchObject({ __typename: 'IdempotencyConflict' });
  const promotion = await second.untilSealed([...ids][0] ?? '', 90);
  expect(promotion).toMatchObject({ state: 'SUCCEEDED' });
}, 120_000);

test('one API process dies while promotions run: the other one serves, also the agents', async () => {
  const { client, stack } = made;
  const release = await client.release('3.0.0');
  const id = await client.request(release.id, 'aside');
  await stack.kill('api-2');
  const promotion = await client.untilSealed(id, 90);
  expect(promotion).toMatchObject({ state: 'SUCCEEDED' });
  await stack.start('api-2');
  expect(await second.promotion(id)).toMatchObject({ state: 'SUCCEEDED' });
  expect(await findDisagreements(stack, promotion)).toEqual([]);
}, 180_000);

describe('an engine', () => {
  /** What is killed had no time to put anything in order: in a sample that is enough. */
  const CASES = [
    ['postgres', 'killed', '1.0.0'],
    ['temporal', 'killed', '2.0.0'],
    ...(ALL_PLACES
      ? ([
          ['postgres', 'stopped', '1.0.0'],
          ['temporal', 'stopped', '2.0.0'],
        ] as const)
      : []),
  ] as const;
  /** How long an engine is away. Longer than one try of anybody's. */
  const AWAY_MS = 3000;

  async function interrupt(engine: string, how: string): Promise<void> {
    const { stack } = made;
    await (how === 'killed' ? stack.kill(engine) : stack.stopPart(engine));
    await sleep(AWAY_MS);
    await stack.start(engine);
  }

  test.each(CASES)(
    '%s that is %s in mid-promotion and started again: it goes on',
    async (engine, how, version) => {
      const { client, stack, scanner } = made;
      const parts = ['api', 'worker', 'signer', 'agent-host-engines'];
      const pids = parts.map((name) => stack.getPid(name));
      const release = await client.release(version);

      // Once while the scanner runs, once while the agent deploys, once while the worker verifies.
      await scanner.setMode('hold');
      await writeFile(holdFile, '');
      const id = await client.request(release.id, 'engines');
      await client.untilStep(id, 'scan');
      await interrupt(engine, how);
      await scanner.setMode('clean');
      await client.untilStep(id, 'deploy');
      await interrupt(engine, how);
      await client.untilStep(id, 'verify', 'RUNNING', 90);
      expect(existsSync(holdFile)).toBe(true);
      await interrupt(engine, how);
      await rm(holdFile);

      const promotion = await client.untilSealed(id, 90);
      expect(promotion).toMatchObject({ state: 'SUCCEEDED', reason: null });
      expect(await findContradictions(stack, promotion)).toEqual([]);
      const service = await findService(stack.getServicePort('host-engines'));
      expect(service).toMatchObject({ version });
      expect(parts.map((name) => stack.getPid(name))).toEqual(pids);
    },
    180_000,
  );

  test('Postgres that starts after an API is waited for by it', async () => {
    const { client, stack } = made;
    await stack.stopPart('api');
    await stack.stopPart('postgres');
    const api = stack.start('api');
    await sleep(AWAY_MS);
    await stack.start('postgres');
    await api;
    const { id } = await client.release('1.0.0');
    expect(id).toMatch(/^sha256:/);
  }, 120_000);

  const LONG_SECONDS = 60;
  /** Between requests while it is away. */
  const PAUSE_SECONDS = ALL_PLACES ? 10 : 20;

  test(`that is gone for ${LONG_SECONDS} s with requests arriving: each is run once after it`, async () => {
    const { client, stack } = made;
    const release = await client.release('1.0.0');
    await stack.kill('temporal');
    const ids: string[] = [];
    for (let away = 0; away < LONG_SECONDS; away += PAUSE_SECONDS) {
      ids.push(await client.request(release.id, 'aside'));
      await sleep(PAUSE_SECONDS * 1000);
    }
    await stack.start('temporal');
    for (const id of ids) {
      const promotion = await client.untilSealed(id, 180);
      expect(promotion).toMatchObject({ state: 'SUCCEEDED' });
      expect(await findDisagreements(stack, promotion)).toEqual([]);
    }
  }, 400_000);
});
