import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createAgentClient } from '@sluice/agent-protocol';
import { accepted, refused } from '@sluice/domain';
import { digestOf } from '@sluice/pure';
import { generateKeyPair } from '@sluice/signing';
import type { FakeControlPlane } from './fake-control-plane.ts';
import type { FakeTargetDriver } from './fake-target-driver.ts';
import { enrol, openIdentity } from './identity.ts';
import { payloadOf, RunningAgent } from './running-agent.ts';

let running: RunningAgent;
let plane: FakeControlPlane;
let driver: FakeTargetDriver;

beforeEach(async () => {
  running = await RunningAgent.start();
  ({ plane, driver } = running);
});

afterEach(() => running.remove());

describe('a good command', () => {
  test('is carried out, journalled before and after each effect, and reported in stages', async () => {
    const command = plane.dispatch(payloadOf('1'));
    const report = await plane.finalReport(command.sequence);
    expect(report).toMatchObject({
      stage: 'confirmed',
      failure: null,
      activeRelease: command.releaseDigest,
    });
    expect(plane.stagesOf(1)).toEqual(['accepted', 'fetched', 'activated', 'confirmed']);
    const lines = await running.journal();
    expect(lines.map(({ stage }) => stage)).toEqual([
      'accepted',
      'fetching',
      'fetched',
      'activating',
      'activated',
      'confirmed',
    ]);
    for (const line of lines) {
      expect(line).toMatchObject({
        sequence: 1,
        idempotencyKey: 'key-1',
        releaseDigest: command.releaseDigest,
        at: expect.stringMatching(/^\d{4}-.*Z$/),
      });
    }
    expect(driver.calls).toEqual(['resume', 'prepare', 'activate', 'confirm']);
  });

  test('that does not become healthy is reverted, with the reason', async () => {
    await plane.finalReport(plane.dispatch(payloadOf('1')).sequence);
    driver.healthy = refused('service-unhealthy', 'It answered 500.');
    const report = await plane.finalReport(plane.dispatch(payloadOf('2')).sequence);
    expect(report).toMatchObject({
      stage: 'reverted',
      failure: { code: 'service-unhealthy' },
      activeRelease: digestOf('1'),
    });
  });

  test('that fails with half a character in its last words is reported all the same', async () => {
    driver.healthy = refused('service-exited', `Its last words: ${'\u{1F680}'.slice(1)} gone`);
    const report = await plane.finalReport(plane.dispatch(payloadOf('1')).sequence);
    expect(report.failure?.message).toBe('Its last words: \uFFFD gone');
    await running.stop();
    await running.start();
    driver.healthy = accepted(true);
    const next = plane.dispatch(payloadOf('2'));
    expect(await plane.finalReport(next.sequence)).toMatchObject({ stage: 'confirmed' });
  });

  test('heartbeats carry the active release and the last sequence', async () => {
    await plane.finalReport(plane.dispatch(payloadOf('1')).sequence);
    await sleep(1200);
    expect(plane.heartbeats.at(-1)).toMatchObject({
      activeRelease: digestOf('1'),
      lastSequence: 1,
    });
  });
});

describe('a command is refused without any effect when it is', () => {
  const soon = new Date(Date.now() + 60_000).toISOString();
  const past = new Date(Date.now() - 60_000).toISOString();
  const longPast = new Date(Date.now() - 120_000).toISOString();

  test.each([
    ['forged', () => ({ signWith: generateKeyPair() }), 'key-not-trusted'],
    ['replayed (sequence)', () => ({ sequence: 1 }), 'command-replayed'],
    ['replayed (idempotency key)', () => ({ idempotencyKey: 'key-1' }), 'command-replayed'],
    ['expired', () => ({ notBefore: longPast, expiresAt: past }), 'command-expired'],
    ['early', () => ({ notBefore: soon }), 'command-not-yet-valid'],
    ['of another target', () => ({ target: 'host-2' }), 'command-foreign'],
    ['of another tenant', () => ({ tenantId: 'other' }), 'command-foreign'],
    ['for another key', () => ({ agentKeyId: digestOf('x') }), 'command-foreign'],
    ['fenced off', () => ({ fencingToken: 0 }), 'command-fenced-off'],
    ['with another payload', () => ({ payloadSent: '{}' }), 'payload-mismatch'],
  ])('%s', async (_, changes, code) => {
    await plane.finalReport(plane.dispatch(payloadOf('1')).sequence);
    const before = [...driver.calls];
    plane.dispatch(payloadOf('2'), changes());
    const good = plane.dispatch(payloadOf('3'));
    await plane.finalReport(good.sequence);
    const report = plane.reports.find(({ stage }) => stage === 'refused');
    expect(report).toMatchObject({
      stage: 'refused',
      failure: { code },
      activeRelease: digestOf('1'),
    });
    // Only the good command before it and the good one after it had effects.
    expect(driver.calls).toEqual([...before, 'prepare', 'activate', 'confirm']);
    const refusals = (await running.journal()).filter(({ stage }) => stage === 'refused');
    expect(refusals).toEqual([
      expect.objectContaining({ failure: expect.objectContaining({ code }) }),
    ]);
  });

  test('a copy of one that was carried out', async () => {
    await plane.finalReport(plane.dispatch(payloadOf('1')).sequence);
    const [delivery] = plane.deliveries;
    if (delivery === undefined) throw new Error('nothing was delivered');
    plane.replay(delivery);
    await plane.finalReport(plane.dispatch(payloadOf('3')).sequence);
    expect(plane.stagesOf(1)).toEqual(['accepted', 'fetched', 'activated', 'confirmed', 'refused']);
    expect(driver.calls.filter((call) => call === 'activate')).toHaveLength(2);
  });

  test('forged with a high number: true ones are still seen', async () => {
    plane.dispatch(payloadOf('2'), { signWith: generateKeyPair(), deliveredAs: 5000 });
    await sleep(300);
    const good = plane.dispatch(payloadOf('3'));
    expect(await plane.finalReport(good.sequence)).toMatchObject({ stage: 'confirmed' });
  });
});

describe('without its control plane', () => {
  test('nothing is reverted, and reports arrive when it is back, once each', async () => {
    const command = plane.dispatch(payloadOf('1'));
    await plane.finalReport(command.sequence);
    plane.isDown = true;
    await sleep(1500);
    expect(driver.calls).toEqual(['resume', 'prepare', 'activate', 'confirm']);
    plane.isDown = false;
    const next = plane.dispatch(payloadOf('2'));
    expect(await plane.finalReport(next.sequence)).toMatchObject({ stage: 'confirmed' });
    expect(plane.stagesOf(next.sequence)).toEqual([
      'accepted',
      'fetched',
      'activated',
      'confirmed',
    ]);
  });
});

test('a restarted agent keeps its memory: what was carried out is not done again', async () => {
  await plane.finalReport(plane.dispatch(payloadOf('1'), { fencingToken: 9 }).sequence);
  await running.stop();
  driver.calls.length = 0;
  await running.start();
  plane.dispatch(payloadOf('2'), { fencingToken: 8 });
  await plane.finalReport(2);
  expect(plane.reports.at(-1)).toMatchObject({ failure: { code: 'command-fenced-off' } });
  expect(driver.calls).toEqual(['resume']);
});

test('a refused token is told with what to do', async () => {
  const other = await mkdtemp(join(tmpdir(), 'sluice-agent-'));
  const key = openIdentity(other);
  const client = createAgentClient({ baseUrl: plane.url, keyPair: key });
  await expect(enrol(other, key, client, 'bad')).rejects.toMatchObject({
    code: 'enrolment-failed',
    message: expect.stringContaining('Print a new token'),
  });
  await expect(enrol(other, key, client, undefined)).rejects.toMatchObject({
    message: expect.stringContaining('sluice agent enroll-token'),
  });
  await rm(other, { recursive: true });
});
