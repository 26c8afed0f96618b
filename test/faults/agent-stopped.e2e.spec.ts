import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startTestStack, type TestStack } from '../support/e2e-stack.ts';
import { findRepeatedEffects, readJournal, stagesOf } from '../support/journal.ts';
import { findService, serviceImage } from '../support/service-images.ts';
import { findActiveFiles } from '../support/target-folder.ts';
import { waitFor } from '../support/wait-for.ts';

const TARGET = 'dev-host-1';
const DEPLOY_SECONDS = 5;

let made: TestStack;

beforeAll(async () => {
  made = await startTestStack({
    images: [serviceImage('1.0.0'), serviceImage('2.0.0'), serviceImage('3.0.0')],
    scannerMode: 'clean',
    environments: [
      {
        name: 'dev',
        position: 1,
        deadlines: { deploySeconds: DEPLOY_SECONDS, revertSeconds: DEPLOY_SECONDS },
      },
    ],
    targets: [{ name: TARGET, environment: 'dev' }],
  });
  const { client } = made;
  await client.promote((await client.release('1.0.0')).id, 'dev');
}, 120_000);

afterAll(() => made?.remove());

async function untilAgentIs(state: string): Promise<string> {
  let last: unknown;
  return waitFor(
    `the agent is ${state}`,
    async () => {
      const { agent } = await made.client.target(TARGET);
      last = agent;
      return agent?.state === state && agent.lastHeartbeatAt;
    },
    { seconds: 20 },
    () => last,
  ).then(String);
}

test('a stopped agent is shown as stale, then offline, and a deployment to it fails in time', async () => {
  const { client, stack } = made;
  await untilAgentIs('ONLINE');
  await stack.pause(`agent-${TARGET}`);
  await untilAgentIs('STALE');
  const lastHeartbeat = await untilAgentIs('OFFLINE');

  const release = await client.release('2.0.0');
  const promotion = await client.promote(release.id, 'dev');
  // It may or may not have acted: that a person must look is said.
  expect(promotion).toMatchObject({ state: 'FAILED', reason: { code: 'revert-failed' } });
  const deploy = promotion.steps.find(({ id }) => id === 'deploy');
  expect(deploy).toMatchObject({
    state: 'FAILED',
    reason: { code: 'deploy-deadline-exceeded', message: expect.stringContaining(TARGET) },
  });
  expect(promotion.deployments).toMatchObject([
    { state: 'LOST', failure: { code: 'agent-silent', message: expect.stringContaining(TARGET) } },
  ]);
  const [lost] = promotion.deployments;
  expect(lost?.failure?.message).toContain(`last heartbeat: ${lastHeartbeat.slice(0, 19)}`);
  expect(promotion.packet).not.toBeNull();
});

test('when it comes back it refuses what has expired, and takes what is new', async () => {
  const { client, stack } = made;
  await stack.resume(`agent-${TARGET}`);
  await untilAgentIs('ONLINE');
  const key = `dev/2/deploy/${TARGET}/deploy`;
  const refusal = await waitFor('the expired command is refused', async () =>
    (await readJournal(stack, TARGET)).find(({ idempotencyKey }) => idempotencyKey === key),
  );
  expect(refusal).toMatchObject({ stage: 'refused', failure: { code: 'command-expired' } });
  const lines = await readJournal(stack, TARGET);
  expect(stagesOf(lines, key)).toEqual(['refused']);
  expect(findRepeatedEffects(lines)).toEqual([]);
  expect(await findActiveFiles(stack, TARGET)).toMatchObject({ version: '1.0.0' });
  expect(await findService(stack.getServicePort(TARGET))).toMatchObject({ version: '1.0.0' });

  const promotion = await client.promote((await client.release('3.0.0')).id, 'dev');
  expect(promotion.state).toBe('SUCCEEDED');
  expect(await findService(stack.getServicePort(TARGET))).toMatchObject({ version: '3.0.0' });
});
