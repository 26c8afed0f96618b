import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { PromotionAnswer } from '../support/documents.ts';
import { startTestStack, type TestStack } from '../support/e2e-stack.ts';
import { readJournal } from '../support/journal.ts';
import { findContradictions, queryStack } from '../support/promotion-checks.ts';
import { findService, type ServiceBehaviour, serviceImage } from '../support/service-images.ts';

const FAULTY: Readonly<Record<string, ServiceBehaviour>> = {
  '2.0.0': 'unverifiable',
  '2.0.1': 'exits',
  '2.0.2': 'sick',
};
const ENVIRONMENTS = ['unverifiable', 'exits', 'sick', 'empty', 'pair'];

let made: TestStack;

beforeAll(async () => {
  made = await startTestStack({
    images: [
      serviceImage('1.0.0'),
      serviceImage('3.0.0'),
      ...Object.entries(FAULTY).map(([tag, behaviour]) => serviceImage(tag, behaviour)),
    ],
    scannerMode: 'clean',
    environments: ENVIRONMENTS.map((name, position) => ({ name, position, after: [] })),
    targets: [
      ...ENVIRONMENTS.slice(0, 4).map((name) => ({
        name: `host-${name}`,
        environment: name,
        health: { failures: 40 },
      })),
      { name: 'host-pair-1', environment: 'pair' },
      { name: 'host-pair-2', environment: 'pair', settings: { EXITS_IN: '3.0.0' } },
    ],
  });
  const { client } = made;
  const old = await client.release('1.0.0');
  const filled = ENVIRONMENTS.filter((name) => name !== 'empty');
  await Promise.all(filled.map((environment) => client.promote(old.id, environment, 120)));
}, 180_000);

afterAll(() => made?.remove());

async function promoteFaulty(environment: string, version: string): Promise<PromotionAnswer> {
  const { client, stack } = made;
  const promotion = await client.promote((await client.release(version)).id, environment);
  expect(promotion.state).toBe('REVERTED');
  expect(promotion.packet).not.toBeNull();
  expect(await findContradictions(stack, promotion)).toEqual([]);
  return promotion;
}

async function listCommandKinds(promotion: string): Promise<readonly string[]> {
  const rows = await queryStack<{ kind: string }>(
    made.stack,
    'select kind from sluice.commands where promotion_id = $1 order by target_id, sequence',
    [promotion],
  );
  return rows.map(({ kind }) => kind);
}

async function versionOn(target: string): Promise<string | undefined> {
  return (await findService(made.stack.getServicePort(target)))?.version;
}

test('a version that the verify step finds unhealthy is taken back by a signed revert', async () => {
  const promotion = await promoteFaulty('unverifiable', '2.0.0');
  expect(promotion.reason).toMatchObject({
    code: 'target-unhealthy',
    message: expect.stringMatching(/host-unverifiable .*HTTP 503.*Look at/s),
  });
  expect(promotion.steps.map(({ id, state }) => [id, state])).toEqual([
    ['scan', 'SUCCEEDED'],
    ['gate', 'SUCCEEDED'],
    ['plan', 'SUCCEEDED'],
    ['deploy', 'REVERTED'],
    ['verify', 'FAILED'],
  ]);
  expect(await listCommandKinds(promotion.id)).toEqual(['deploy', 'revert']);
  expect(await versionOn('host-unverifiable')).toBe('1.0.0');
  const { currentRelease } = await made.client.target('host-unverifiable');
  expect(currentRelease?.version).toBe('1.0.0');
});

test.each([
  ['ends at once', 'exits', '2.0.1', 'service-exited'],
  ['is never well', 'sick', '2.0.2', 'service-unhealthy'],
])('a version that %s is taken back by the agent itself', async (_, environment, version, code) => {
  const promotion = await promoteFaulty(environment, version);
  expect(promotion.reason?.code).toBe(code);
  expect(promotion.deployments).toMatchObject([{ state: 'REVERTED', failure: { code } }]);
  // Nobody had to tell the agent.
  expect(await listCommandKinds(promotion.id)).toEqual(['deploy']);
  const stages = (await readJournal(made.stack, `host-${environment}`)).map(({ stage }) => stage);
  expect(stages.slice(-2)).toEqual(['reverting', 'reverted']);
  expect(await versionOn(`host-${environment}`)).toBe('1.0.0');
});

test('a first version that fails leaves the target empty, as it was', async () => {
  await promoteFaulty('empty', '2.0.0');
  expect(await versionOn('host-empty')).toBeUndefined();
  expect((await made.client.target('host-empty')).currentRelease).toBeNull();
});

test('when one of two targets fails both go back', async () => {
  const promotion = await promoteFaulty('pair', '3.0.0');
  expect(promotion.reason?.message).toContain('host-pair-2');
  expect(await listCommandKinds(promotion.id)).toEqual(['deploy', 'revert', 'deploy']);
  expect(await versionOn('host-pair-1')).toBe('1.0.0');
  expect(await versionOn('host-pair-2')).toBe('1.0.0');
});
