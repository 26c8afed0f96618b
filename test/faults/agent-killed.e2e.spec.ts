import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { PromotionAnswer } from '../support/documents.ts';
import { startTestStack, type TestStack } from '../support/e2e-stack.ts';
import { readJournal, stagesOf } from '../support/journal.ts';
import { findContradictions, queryStack } from '../support/promotion-checks.ts';
import { findService, serviceImage } from '../support/service-images.ts';
import { type ActiveFiles, findActiveFiles } from '../support/target-folder.ts';
import { waitFor } from '../support/wait-for.ts';

/** Where the agent is killed while it brings a version there that is well. */
const STAGES = [
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
];
/** Where it is killed while it takes back a version that ends at once. */
const REVERT_STAGES = ['reverting', 'reverted'];
const ALL = [...STAGES, ...REVERT_STAGES];
const OLD = '1.0.0';
const GOOD = '2.0.0';
const BAD = '2.0.1';

let made: TestStack;
const whenKilled = new Map<string, ActiveFiles | undefined>();
const ended = new Map<string, PromotionAnswer>();

const hostOf = (stage: string): string => `host-${stage}`;
const markerOf = (agents: string, stage: string): string =>
  join(agents, hostOf(stage), 'fault-points', stage);

beforeAll(async () => {
  made = await startTestStack({
    images: [serviceImage(OLD), serviceImage(GOOD), serviceImage(BAD, 'exits')],
    scannerMode: 'clean',
    environments: ALL.map((name, position) => ({ name, position, after: [] })),
    targets: ALL.map((environment) => ({ name: hostOf(environment), environment })),
    env: Object.fromEntries(
      ALL.map((stage) => [
        `agent-${hostOf(stage)}`,
        { SLUICE_FAULT_POINTS: '1', SLUICE_AGENT_PAUSE_AT: stage },
      ]),
    ),
    // With its marker there an agent does not stop: the first deployment goes through.
    prepare: async (folder) => {
      await mkdir(join(folder, 'data'));
      // A folder that holds something is taken only with the mark of a stack.
      await writeFile(join(folder, 'data', '.sluice-stack'), '');
      for (const stage of ALL) {
        const marker = markerOf(join(folder, 'data', 'agents'), stage);
        await mkdir(join(marker, '..'), { recursive: true });
        await writeFile(marker, '');
      }
    },
  });
  await killAgentsEverywhere();
}, 240_000);

afterAll(() => made?.remove());

async function killAgentsEverywhere(): Promise<void> {
  const { client, stack } = made;
  const { agentsDir } = stack.layout;
  const old = await client.release(OLD);
  const first = await Promise.all(ALL.map((stage) => client.promote(old.id, stage, 120)));
  expect(first.map(({ state }) => state)).toEqual(ALL.map(() => 'SUCCEEDED'));
  const good = await client.release(GOOD);
  const bad = await client.release(BAD);
  await Promise.all(ALL.map((stage) => rm(markerOf(agentsDir, stage))));
  for (const stage of ALL) {
    await client.request(REVERT_STAGES.includes(stage) ? bad.id : good.id, stage);
  }
  await Promise.all(
    ALL.map(async (stage) => {
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

describe.each(ALL)('an agent that is killed at: %s', (stage) => {
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
