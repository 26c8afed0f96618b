import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startTestStack, type TestStack } from '../support/e2e-stack.ts';
import { findContradictions } from '../support/promotion-checks.ts';
import { findService, serviceImage } from '../support/service-images.ts';

const CASES = [
  ['postgres', 'stopped'],
  ['postgres', 'killed'],
  ['temporal', 'stopped'],
  ['temporal', 'killed'],
] as const;
const environmentOf = (engine: string, how: string): string => `${engine}-${how}`;
const ENVIRONMENTS = CASES.map(([engine, how]) => environmentOf(engine, how));
const holdFile = join(tmpdir(), `sluice-e2e-engines-${process.pid}`);
/** How long an engine is away. Longer than one try of anybody's. */
const AWAY_MS = 3000;

let made: TestStack;

beforeAll(async () => {
  made = await startTestStack({
    images: [serviceImage('1.0.0')],
    scannerMode: 'clean',
    environments: ENVIRONMENTS.map((name, position) => ({ name, position, after: [] })),
    targets: ENVIRONMENTS.map((environment) => ({
      name: `host-${environment}`,
      environment,
      settings: { HOLD_FILE: holdFile },
    })),
  });
}, 120_000);

afterAll(async () => {
  await made?.remove();
  await rm(holdFile, { force: true });
});

test.each(CASES)(
  '%s is %s in mid-promotion and started again: it goes on',
  async (engine, how) => {
    const { client, stack, scanner } = made;
    const environment = environmentOf(engine, how);
    const parts = ['api', 'worker', 'signer', `agent-host-${environment}`];
    const pids = parts.map((name) => stack.getPid(name));
    const release = await client.release('1.0.0');

    // Once while the scanner runs, once while the agent deploys, once while the worker verifies.
    await scanner.setMode('hold');
    await writeFile(holdFile, '');
    const id = await client.request(release.id, environment);
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
    const service = await findService(stack.getServicePort(`host-${environment}`));
    expect(service).toMatchObject({ version: '1.0.0' });
    expect(parts.map((name) => stack.getPid(name))).toEqual(pids);
  },
  180_000,
);

async function interrupt(engine: string, how: string): Promise<void> {
  const { stack } = made;
  await (how === 'killed' ? stack.kill(engine) : stack.stopPart(engine));
  await sleep(AWAY_MS);
  await stack.start(engine);
}

test('an API that starts before Postgres waits for it', async () => {
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
