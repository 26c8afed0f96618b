import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { PromotionAnswer } from '../support/documents.ts';
import { startTestStack, type TestStack } from '../support/e2e-stack.ts';
import { samplePlaces } from '../support/fault-sample.ts';
import { type HoldPoints, installHoldPoints } from '../support/hold-points.ts';
import { readJournal, stagesOf } from '../support/journal.ts';
import { findContradictions, queryStack } from '../support/promotion-checks.ts';
import { findService, serviceImage } from '../support/service-images.ts';
import { type ActiveFiles, findActiveFiles } from '../support/target-folder.ts';
import { waitFor } from '../support/wait-for.ts';

/*
 * kill -9 of an agent at each stage of a deployment, and of the worker at each place where a promotion can stand; in `npm test` at
 * some of them.
 */

/** Where the agent is killed while it brings a version there that is well; some of them here. */
const STAGES = samplePlaces(
  [
    'accepted',
    'fetching',
    'unpacked',
    'fetched',
    'activating',
    'stopped',
    'switched',
    'started',
    'activated',
    'confirmed',
    'reported',
  ],
  4,
);
/** Where it is killed while it takes back a version that ends at once. */
const REVERT_STAGES = samplePlaces(['reverting', 'reverted'], 1);
const ALL_STAGES = [...STAGES, ...REVERT_STAGES];
const OLD = '1.0.0';
const GOOD = '2.0.0';
const BAD = '2.0.1';

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
/** The places that need the most of a world around them are always among them. */
const NEEDED = ['scanning', 'deploying', 'deployed', 'verifying'];
const OTHERS = Object.keys(PLACES).filter((name) => !NEEDED.includes(name));
const STANDING = [...NEEDED, ...samplePlaces(OTHERS, 3)];

let made: TestStack;

const hostOf = (environment: string): string => `host-${environment}`;
const holdFile = join(tmpdir(), `sluice-e2e-hold-${process.pid}`);
const markerOf = (agents: string, stage: string): string =>
  join(agents, hostOf(stage), 'fault-points', stage);

beforeAll(async () => {
  const environments = [...ALL_STAGES, ...STANDING];
  made = await startTestStack({
    images: [
      ...[OLD, '1.0.1', GOOD, '3.0.0'].map((tag) => serviceImage(tag)),
      serviceImage(BAD, 'exits'),
    ],
    scannerMode: 'clean',
    environments: environments.map((name, position) => ({
      name,
      position,
      after: [],
      // All stand still together until the last one is in place, however slow the machine is.
      ...(STANDING.includes(name)
        ? {
            deadlines: {
              scanSeconds: 600,
              gateSeconds: 600,
              deploySeconds: 600,
              verifySeconds: 600,
            },
          }
        : {}),
    })),
    targets: environments.map((environment) => ({
      name: hostOf(environment),
      environment,
      settings: environment === 'verifying' ? { HOLD_FILE: holdFile } : {},
    })),
    env: Object.fromEntries(
      ALL_STAGES.map((stage) => [
        `agent-${hostOf(stage)}`,
        { SLUICE_FAULT_POINTS: '1', SLUICE_AGENT_PAUSE_AT: stage },
      ]),
    ),
    // With its marker there an agent does not stop: the first deployment goes through.
    prepare: async (folder) => {
      await mkdir(join(folder, 'data'));
      // A folder that holds something is taken only with the mark of a stack.
      await writeFile(join(folder, 'data', '.sluice-stack'), '');
      for (const stage of ALL_STAGES) {
        const marker = markerOf(join(folder, 'data', 'agents'), stage);
        await mkdir(join(marker, '..'), { recursive: true });
        await writeFile(marker, '');
      }
    },
  });
}, 120_000);

afterAll(async () => {
  await made?.remove();
  await rm(holdFile, { force: true });
});

describe('an agent', () => {
  const whenKilled = new Map<string, ActiveFiles | undefined>();
  const ended = new Map<string, PromotionAnswer>();

  beforeAll(killAgentsEverywhere, 240_000);

  async function killAgentsEverywhere(): Promise<void> {
    const { client, stack } = made;
    const { agentsDir } = stack.layout;
    const old = await client.release(OLD);
    const first = await Promise.all(ALL_STAGES.map((stage) => client.promote(old.id, stage, 120)));
    expect(first.map(({ state }) => state)).toEqual(ALL_STAGES.map(() => 'SUCCEEDED'));
    const good = await client.release(GOOD);
    const bad = await client.release(BAD);
    await Promise.all(ALL_STAGES.map((stage) => rm(markerOf(agentsDir, stage))));
    for (const stage of ALL_STAGES) {
      await client.request(REVERT_STAGES.includes(stage) ? bad.id : good.id, stage);
    }
    await Promise.all(
      ALL_STAGES.map(async (stage) => {
        await waitFor(`the agent stands at ${stage}`, () => isAt(stage), { seconds: 90 });
        await stack.kill(`agent-${hostOf(stage)}`);
        whenKilled.set(stage, await findActiveFiles(stack, hostOf(stage)));
        await stack.start(`agent-${hostOf(stage)}`);
        ended.set(stage, await client.untilSealed(`${stage}/2`, 120));
      }),
    );
  }

  async function isAt(stage: string): Promise<boolean> {
    const { layout } = made.stack;
    if (!existsSync(markerOf(layout.agentsDir, stage))) return false;
    if (stage !== 'reported') return true;
    const lines = await readJournal(made.stack, hostOf(stage));
    return stagesOf(lines, `${stage}/2/deploy/${hostOf(stage)}/deploy`).includes('confirmed');
  }

  describe.each(ALL_STAGES)('that is killed at: %s', (stage) => {
    const isRevert = REVERT_STAGES.includes(stage);
    const expected = isRevert ? OLD : GOOD;

    test('leaves the old version or the new one, never half', async () => {
      expect([OLD, GOOD, BAD]).toContain(whenKilled.get(stage)?.version);
      const files = await findActiveFiles(made.stack, hostOf(stage));
      expect(files).toMatchObject({ version: expected });
      const service = await findService(made.stack.getServicePort(hostOf(stage)));
      expect(service).toMatchObject({ version: expected });
    });

    test('takes its command up again, to a definite end', async () => {
      const promotion = ended.get(stage);
      expect(promotion?.state).toBe(isRevert ? 'REVERTED' : 'SUCCEEDED');
      expect(promotion?.deployments.map(({ state }) => state)).toEqual([
        isRevert ? 'REVERTED' : 'CONFIRMED',
      ]);
      const { currentRelease } = await made.client.target(hostOf(stage));
      expect(currentRelease?.version).toBe(expected);
    });

    test('has each effect once', async () => {
      const promotion = ended.get(stage) as PromotionAnswer;
      expect(await findContradictions(made.stack, promotion)).toEqual([]);
      const stages = stagesOf(
        await readJournal(made.stack, hostOf(stage)),
        `${stage}/2/deploy/${hostOf(stage)}/deploy`,
      );
      const begun = ['accepted', 'fetching', 'fetched', 'activating', 'activated'];
      expect(stages).toEqual(
        isRevert
          ? expect.arrayContaining(['accepted', 'activating', 'reverting', 'reverted'])
          : [...begun, 'confirmed'],
      );
      const commands = await queryStack<{ kind: string }>(
        made.stack,
        `select kind from sluice.commands where promotion_id = $1 and kind = 'deploy'`,
        [`${stage}/2`],
      );
      expect(commands).toHaveLength(1);
    });
  });
});

describe('the worker', () => {
  let holds: HoldPoints;
  const ended = new Map<string, PromotionAnswer>();

  beforeAll(async () => {
    holds = await installHoldPoints(made.stack.databaseUrls['postgres'] ?? '');
    await killWorkerEverywhere();
  }, 240_000);
  afterAll(() => holds?.close());

  async function killWorkerEverywhere(): Promise<void> {
    const { client, scanner, stack } = made;
    const release = await client.release('1.0.0');
    const heldInScan = await client.release('1.0.1');
    await scanner.setModeOf(heldInScan.image, 'hold');
    await writeFile(holdFile, '');
    await stack.pause('agent-host-deploying');
    const keys = STANDING.flatMap((name) => PLACES[name]?.holdKey ?? []);
    for (const key of [...keys, 'releases:3.0.0']) await holds.hold(key);
    const resolving = client.release('3.0.0');
    const bringThere = async (environment: string): Promise<void> => {
      await client.request(environment === 'scanning' ? heldInScan.id : release.id, environment);
      const { step, holdKey, state = 'RUNNING' } = PLACES[environment] as Place;
      await client.untilStep(`${environment}/1`, step, state, 120);
      if (holdKey !== undefined) await holds.untilReached(holdKey);
    };
    // The worker scans two images at once, and a relay that stands still delivers nothing: their turn comes last.
    const last = ['deployed', 'scanning', 'scanned'];
    await Promise.all(STANDING.filter((name) => !last.includes(name)).map(bringThere));
    await stack.pause('agent-host-deployed');
    await client.request(release.id, 'deployed');
    await client.untilStep('deployed/1', 'deploy', 'RUNNING');
    await Promise.all(
      ['scanning', 'scanned'].filter((name) => STANDING.includes(name)).map(bringThere),
    );
    await stack.resume('agent-host-deployed');
    await holds.untilReached(PLACES['deployed']?.holdKey ?? '');
    await holds.untilReached('releases:3.0.0');
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
      STANDING.map(async (environment) => {
        ended.set(environment, await client.untilSealed(`${environment}/1`, 120));
      }),
    );
    await resolving;
  }

  describe.each(STANDING)('that is killed while a promotion stands at: %s', (name) => {
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

  test('that is killed while it records a release: the release is there once', async () => {
    const rows = await queryStack(made.stack, 'select from sluice.releases where version = $1', [
      '3.0.0',
    ]);
    expect(rows).toHaveLength(1);
  });
});
