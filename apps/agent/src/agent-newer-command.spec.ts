import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { CommandPayload } from '@sluice/domain';
import { digestOf } from '@sluice/pure';
import type { FakeControlPlane } from './fake-control-plane.ts';
import type { FakeTargetDriver } from './fake-target-driver.ts';
import type { JournalStage } from './journal.ts';
import { payloadOf, RunningAgent } from './running-agent.ts';

let running: RunningAgent;
let plane: FakeControlPlane;
let driver: FakeTargetDriver;

beforeEach(async () => {
  running = await RunningAgent.start();
  ({ plane, driver } = running);
  await plane.finalReport(plane.dispatch(payloadOf('1')).sequence);
});

afterEach(() => running.remove());

async function stagesOf(sequence: number): Promise<readonly JournalStage[]> {
  const lines = await running.journal();
  return lines.filter((line) => line.sequence === sequence).map(({ stage }) => stage);
}

describe('a command with a higher fencing token interrupts', () => {
  test('a fetch, and nothing was changed', async () => {
    driver.endless = { call: 'prepare', version: '2' };
    const old = plane.dispatch(payloadOf('2'));
    await running.untilStage(old.sequence, 'fetching');
    const next = plane.dispatch(payloadOf('3'), { fencingToken: 2 });
    expect(await plane.finalReport(old.sequence)).toMatchObject({
      stage: 'refused',
      failure: { code: 'superseded', message: expect.stringContaining('fencing token 2') },
      activeRelease: digestOf('1'),
    });
    expect(await plane.finalReport(next.sequence)).toMatchObject({
      stage: 'confirmed',
      activeRelease: digestOf('3'),
    });
    expect(await stagesOf(old.sequence)).toEqual(['accepted', 'fetching', 'refused']);
    expect(driver.calls.filter((call) => call === 'activate')).toHaveLength(2);
  });

  test('a wait for health: what was there before is put back, then the newer one runs', async () => {
    driver.endless = { call: 'confirm', version: '2' };
    const old = plane.dispatch(payloadOf('2'));
    await running.untilStage(old.sequence, 'activated');
    const next = plane.dispatch(payloadOf('3'), { fencingToken: 2 });
    expect(await plane.finalReport(old.sequence)).toMatchObject({
      stage: 'reverted',
      failure: { code: 'superseded' },
      activeRelease: digestOf('1'),
    });
    expect(await plane.finalReport(next.sequence)).toMatchObject({ stage: 'confirmed' });
    expect(
      (await running.journal()).slice(6).map(({ sequence, stage }) => [sequence, stage]),
    ).toEqual([
      ...['accepted', 'fetching', 'fetched', 'activating', 'activated'].map((at) => [2, at]),
      [3, 'accepted'],
      ...['reverting', 'reverted'].map((at) => [2, at]),
      ...['fetching', 'fetched', 'activating', 'activated', 'confirmed'].map((at) => [3, at]),
    ]);
  });

  test('the wait for the health of what was put back; the reason stays the first one', async () => {
    driver.endless = { call: 'revert', version: '2' };
    driver.healthy = { ok: false, refusal: { code: 'service-unhealthy', message: 'Sick.' } };
    const old = plane.dispatch(payloadOf('2'));
    await running.untilStage(old.sequence, 'reverting');
    driver.healthy = { ok: true, value: true };
    const next = plane.dispatch(payloadOf('3'), { fencingToken: 2 });
    expect(await plane.finalReport(old.sequence)).toMatchObject({
      stage: 'reverted',
      failure: { code: 'service-unhealthy' },
    });
    expect(await plane.finalReport(next.sequence)).toMatchObject({ stage: 'confirmed' });
  });

  test('all that wait, which are never begun; a lower token is refused at once', async () => {
    driver.endless = { call: 'prepare', version: '2' };
    const [old, waiting] = [plane.dispatch(payloadOf('2')), plane.dispatch(payloadOf('3'))];
    await running.untilStage(waiting.sequence, 'accepted');
    const low = plane.dispatch(payloadOf('4'), { fencingToken: 0 });
    expect(await plane.finalReport(low.sequence)).toMatchObject({
      stage: 'refused',
      failure: { code: 'command-fenced-off' },
    });
    expect(await stagesOf(old.sequence)).toEqual(['accepted', 'fetching']);
    const next = plane.dispatch({ ...payloadOf('5'), desired: null }, { fencingToken: 7 });
    expect(await plane.finalReport(next.sequence)).toMatchObject({
      stage: 'confirmed',
      activeRelease: null,
    });
    expect(await stagesOf(waiting.sequence)).toEqual(['accepted', 'refused']);
    expect(plane.reports.filter(({ failure }) => failure?.code === 'superseded')).toHaveLength(2);
  });
});

test('a command with the same token waits for its turn', async () => {
  driver.endless = { call: 'prepare', version: '2' };
  const old = plane.dispatch(payloadOf('2'));
  await running.untilStage(old.sequence, 'fetching');
  const next = plane.dispatch(payloadOf('3'));
  await running.untilStage(next.sequence, 'accepted');
  expect(await stagesOf(old.sequence)).toEqual(['accepted', 'fetching']);
  driver.endless = undefined;
  await running.stop();
  await running.start();
  expect(await plane.finalReport(old.sequence)).toMatchObject({ stage: 'confirmed' });
  expect(await plane.finalReport(next.sequence)).toMatchObject({ stage: 'confirmed' });
  const finals = (await running.journal()).filter(({ stage }) => stage === 'confirmed');
  expect(finals.map(({ sequence }) => sequence)).toEqual([1, old.sequence, next.sequence]);
});

test('a command whose time ran out while it waited is refused, not begun', async () => {
  driver.endless = { call: 'prepare', version: '2' };
  plane.dispatch(payloadOf('2'));
  const expiresAt = new Date(Date.now() + 1000).toISOString();
  const late = plane.dispatch(payloadOf('3'), { expiresAt });
  await running.untilStage(late.sequence, 'accepted');
  await running.stop();
  await new Promise((resolve) => setTimeout(resolve, 1100));
  driver.endless = undefined;
  await running.start();
  expect(await plane.finalReport(late.sequence)).toMatchObject({
    stage: 'refused',
    failure: { code: 'command-expired' },
  });
  expect(await stagesOf(late.sequence)).toEqual(['accepted', 'refused']);
});

test('a copy of a command that runs is no second one and does not end it', async () => {
  driver.endless = { call: 'confirm', version: '2' };
  const old = plane.dispatch(payloadOf('2'));
  await running.untilStage(old.sequence, 'activated');
  const delivery = plane.deliveries.at(-1);
  if (delivery === undefined) throw new Error('nothing was delivered');
  plane.replay(delivery);
  const { envelope } = delivery;
  const [signature] = envelope.signatures;
  const forged = { ...envelope, signatures: [{ ...signature, sig: 'AAAA' }] };
  plane.replay({ ...delivery, envelope: forged as typeof envelope });
  // What is delivered behind the copies was looked at after them.
  const seen = plane.dispatch(payloadOf('3'));
  await running.untilStage(seen.sequence, 'accepted');
  expect((await stagesOf(old.sequence)).at(-1)).toBe('activated');
  driver.endless = undefined;
  await running.stop();
  await running.start();
  expect(await plane.finalReport(seen.sequence)).toMatchObject({ stage: 'confirmed' });
  expect((await stagesOf(old.sequence)).at(-1)).toBe('confirmed');
});

describe('a command that expects', () => {
  const settings = { A: '1', B: { secret: 'b' } };
  const sideOf = (version: string, own: Record<string, unknown> = {}) => ({
    release: digestOf(version),
    settingsDigest: digestOf(own),
  });
  const withSettings = (version: string): CommandPayload => {
    const payload = payloadOf(version);
    return { ...payload, desired: payload.desired && { ...payload.desired, settings } };
  };

  test('what is active is carried out, whichever order its settings were written in', async () => {
    const first = plane.dispatch({ ...withSettings('2'), expects: sideOf('1') });
    expect(await plane.finalReport(first.sequence)).toMatchObject({ stage: 'confirmed' });
    const expects = sideOf('2', { B: { secret: 'b' }, A: '1' });
    const second = plane.dispatch(payloadOf('3', { expects }));
    expect(await plane.finalReport(second.sequence)).toMatchObject({ stage: 'confirmed' });
  });

  test.each([
    ['another release', sideOf('9')],
    ['other settings', sideOf('1', settings)],
    ['an empty target', null],
  ])('%s is refused with both named, before anything is fetched', async (_, expects) => {
    const before = [...driver.calls];
    const command = plane.dispatch(payloadOf('2', { expects }));
    const { stage, failure, activeRelease } = await plane.finalReport(command.sequence);
    expect([stage, failure?.code, activeRelease]).toEqual(['refused', 'plan-stale', digestOf('1')]);
    expect(failure?.message).toContain(digestOf('1'));
    expect(failure?.message).toContain(expects === null ? 'nothing' : expects.release);
    if (expects !== null) expect(failure?.message).toContain(expects.settingsDigest);
    expect(await stagesOf(command.sequence)).toEqual(['accepted', 'refused']);
    expect(driver.calls).toEqual(before);
  });

  test('an empty target is carried out on one, and refused with a release expected', async () => {
    const emptied = plane.dispatch(payloadOf('0', { desired: null, expects: sideOf('1') }));
    expect(await plane.finalReport(emptied.sequence)).toMatchObject({ stage: 'confirmed' });
    const stale = plane.dispatch(payloadOf('2', { expects: sideOf('1') }));
    expect(await plane.finalReport(stale.sequence)).toMatchObject({
      failure: { code: 'plan-stale', message: expect.stringContaining('but nothing is active') },
    });
    const good = plane.dispatch(payloadOf('2', { expects: null }));
    expect(await plane.finalReport(good.sequence)).toMatchObject({ stage: 'confirmed' });
  });

  test('what an interrupted command was about to replace is judged after that was put back', async () => {
    driver.endless = { call: 'confirm', version: '2' };
    const old = plane.dispatch(payloadOf('2'));
    await running.untilStage(old.sequence, 'activated');
    const next = plane.dispatch(payloadOf('3', { expects: sideOf('1') }), { fencingToken: 2 });
    expect(await plane.finalReport(next.sequence)).toMatchObject({ stage: 'confirmed' });
  });
});
