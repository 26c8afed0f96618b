import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { PromotionAnswer } from '../support/documents.ts';
import { startTestStack, type TestStack } from '../support/e2e-stack.ts';
import { type HoldPoints, installHoldPoints } from '../support/hold-points.ts';
import { readJournal, stagesOf } from '../support/journal.ts';
import { findContradictions, queryStack } from '../support/promotion-checks.ts';
import { findService, serviceImage } from '../support/service-images.ts';
import { waitFor } from '../support/wait-for.ts';

interface Place {
  readonly step: string;
  /** RUNNING when absent. */
  readonly state?: string;
  readonly holdKey?: string;
}

/**
 * Environments by the place at which their promotion stands when the worker is killed. Where a key is given, the worker
 * (or its relay) stands in the transaction that writes that row.
 */
const PLACES: Readonly<Record<string, Place>> = {
  scanning: { step: 'scan' },
  scanned: { step: 'scan', holdKey: 'effects:scanned/1/scan' },
  gate: { step: 'gate', holdKey: 'effects:gate/1/gate' },
  planning: { step: 'plan', holdKey: 'effects:planning/1/plan' },
  lease: { step: 'deploy', state: 'PENDING', holdKey: 'leases:environment:lease' },
  dispatching: {
    step: 'deploy',
    holdKey: 'commands:dispatching/1/deploy/host-dispatching/deploy',
  },
  deploying: { step: 'deploy' },
  deployed: { step: 'deploy', holdKey: 'effects:deployed/1/deploy/host-deployed' },
  verifying: { step: 'verify' },
  verified: { step: 'verify', holdKey: 'effects:verified/1/verify/host-verified' },
  sealing: { step: 'verify', state: 'SUCCEEDED', holdKey: 'packets:sealing/1' },
};
const ENVIRONMENTS = Object.keys(PLACES);

let made: TestStack;
let holds: HoldPoints;
const holdFile = join(tmpdir(), `sluice-e2e-hold-${process.pid}`);
const ended = new Map<string, PromotionAnswer>();

beforeAll(async () => {
  made = await startTestStack({
    images: [serviceImage('1.0.0'), serviceImage('1.0.1'), serviceImage('2.0.0')],
    environments: ENVIRONMENTS.map((name, position) => ({
      name,
      position,
      after: [],
      // All stand still together until the last one is in place, however slow the machine is.
      deadlines: { scanSeconds: 600, gateSeconds: 600, deploySeconds: 600, verifySeconds: 600 },
    })),
    targets: ENVIRONMENTS.map((environment) => ({
      name: `host-${environment}`,
      environment,
      settings: environment === 'verifying' ? { HOLD_FILE: holdFile } : {},
    })),
  });
  holds = await installHoldPoints(made.stack.databaseUrls['postgres'] ?? '');
  await killWorkerEverywhere();
}, 240_000);

afterAll(async () => {
  await holds?.close();
  await made?.remove();
  await rm(holdFile, { force: true });
});

async function killWorkerEverywhere(): Promise<void> {
  const { client, scanner, stack } = made;
  const release = await client.release('1.0.0');
  const heldInScan = await client.release('1.0.1');
  await scanner.setModeOf(heldInScan.image, 'hold');
  await writeFile(holdFile, '');
  await stack.pause('agent-host-deploying');
  const keys = Object.values(PLACES).flatMap(({ holdKey }) => holdKey ?? []);
  for (const key of [...keys, 'releases:2.0.0']) await holds.hold(key);
  const resolving = client.release('2.0.0');
  const bringThere = async (environment: string): Promise<void> => {
    await client.request(environment === 'scanning' ? heldInScan.id : release.id, environment);
    const { step, holdKey, state = 'RUNNING' } = PLACES[environment] as Place;
    await client.untilStep(`${environment}/1`, step, state, 120);
    if (holdKey !== undefined) await holds.untilReached(holdKey);
  };
  // The worker scans two images at once, and a relay that stands still delivers nothing: their turn comes last.
  const last = ['deployed', 'scanning', 'scanned'];
  await Promise.all(ENVIRONMENTS.filter((name) => !last.includes(name)).map(bringThere));
  await stack.pause('agent-host-deployed');
  await client.request(release.id, 'deployed');
  await client.untilStep('deployed/1', 'deploy', 'RUNNING');
  await Promise.all(['scanning', 'scanned'].map(bringThere));
  await stack.resume('agent-host-deployed');
  await holds.untilReached(PLACES['deployed']?.holdKey ?? '');
  await holds.untilReached('releases:2.0.0');
  await waitFor('the scanner holds', async () => (await scanner.listPids()).length > 0);

  await stack.kill('worker');
  await holds.releaseAll();
  await scanner.setModeOf(heldInScan.image, 'real');
  await rm(holdFile);
  // The agent carries its command out while nobody is there to hear of it but the API.
  await stack.resume('agent-host-deploying');
  await client.untilPromotion('deploying/1', 'is deployed', ({ deployments }) =>
    deployments.some(({ state }) => state === 'CONFIRMED'),
  );
  await stack.start('worker');
  await Promise.all(
    ENVIRONMENTS.map(async (environment) => {
      ended.set(environment, await client.untilSealed(`${environment}/1`, 120));
    }),
  );
  await resolving;
}

describe.each(ENVIRONMENTS)('a worker that is killed while a promotion stands at: %s', (name) => {
  test('does not keep the promotion from succeeding', async () => {
    const promotion = ended.get(name);
    expect(promotion).toMatchObject({ state: 'SUCCEEDED', reason: null });
    expect(promotion?.steps.map(({ state }) => state)).toEqual(Array(5).fill('SUCCEEDED'));
    expect(await findService(made.stack.getServicePort(`host-${name}`))).toMatchObject({
      version: name === 'scanning' ? '1.0.1' : '1.0.0',
    });
  });

  test('leaves each effect once', async () => {
    const promotion = ended.get(name) as PromotionAnswer;
    expect(await findContradictions(made.stack, promotion)).toEqual([]);
    const lines = await readJournal(made.stack, `host-${name}`);
    const key = `${name}/1/deploy/host-${name}/deploy`;
    expect(new Set(lines.map(({ idempotencyKey }) => idempotencyKey))).toEqual(new Set([key]));
    expect(stagesOf(lines, key).at(-1)).toBe('confirmed');
    const commands = await queryStack(
      made.stack,
      'select kind from sluice.commands where promotion_id = $1',
      [promotion.id],
    );
    expect(commands).toEqual([{ kind: 'deploy' }]);
    const effects = await queryStack<{ step_id: string }>(
      made.stack,
      'select step_id from sluice.effects where promotion_id = $1 order by step_id',
      [promotion.id],
    );
    expect(effects.map(({ step_id: step }) => step)).toEqual(
      expect.arrayContaining(['deploy', 'gate', 'plan', 'scan', 'verify']),
    );
  });
});

test('a release whose worker was killed while it was recorded is there once', async () => {
  const rows = await queryStack(made.stack, 'select from sluice.releases where version = $1', [
    '2.0.0',
  ]);
  expect(rows).toHaveLength(1);
});
