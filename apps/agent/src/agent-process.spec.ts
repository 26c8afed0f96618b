import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { digestOf } from '@sluice/pure';
import type { FakeControlPlane } from './fake-control-plane.ts';
import { ProcessBench } from './process-bench.ts';

let bench: ProcessBench;
let stateDir: string;
let plane: FakeControlPlane;

beforeAll(async () => {
  // Every test deploys an image that was not there before: it has to be fetched and unpacked.
  bench = await ProcessBench.make(16);
  ({ stateDir, plane } = bench);
}, 120_000);

afterAll(() => bench.remove());

/** What is visible of images is whole; what `current` names is all there. */
async function expectNothingHalf(): Promise<void> {
  for (const image of await readdir(join(stateDir, 'images'))) {
    if (image.startsWith('.')) continue;
    expect((await readdir(join(stateDir, 'images', image))).sort()).toEqual([
      'server.mjs',
      'version',
    ]);
  }
  const seen = await readFile(join(stateDir, 'current/image/version'), 'utf8');
  const sticker = JSON.parse(await readFile(join(stateDir, 'current/sluice.version.json'), 'utf8'));
  expect(sticker.release.version).toBe(seen);
}

const GOOD = ['accepted', 'fetching', 'fetched', 'activating', 'activated', 'confirmed'];
const BAD = [...GOOD.slice(0, -1), 'reverting', 'reverted'];

test('enrols by its token and deploys over its own channel', async () => {
  await bench.start();
  expect((await stat(join(stateDir, 'agent.key'))).mode & 0o777).toBe(0o600);
  const command = plane.dispatch(bench.payloadOf('1'));
  expect(await plane.finalReport(command.sequence)).toMatchObject({ stage: 'confirmed' });
  expect(await bench.version()).toBe('1');
  expect(await bench.stagesInJournal(command.sequence)).toEqual(GOOD);
  expect(bench.errors).toContain(`"traceId":"${'a'.repeat(32)}"`);
}, 60_000);

describe('killed with -9', () => {
  let current = '1';

  test.each([
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
  ])(
    'at "%s" it goes on: old or new, never half, each effect once',
    async (stage) => {
      const next = String(Number(current) + 1);
      const before = (await bench.starts()).length;
      let sequence = 0;
      await bench.killAt(stage, () => {
        sequence = plane.dispatch(bench.payloadOf(next)).sequence;
      });
      await expectNothingHalf();
      const between = await bench.version();
      expect([current, next, undefined]).toContain(between);
      if (['accepted', 'fetching', 'unpacked', 'fetched', 'activating'].includes(stage)) {
        expect(between).toBe(current);
      }
      await bench.start();
      expect(await plane.finalReport(sequence)).toMatchObject({
        stage: 'confirmed',
        failure: null,
      });
      expect(await bench.version()).toBe(next);
      await expectNothingHalf();
      expect(await bench.stagesInJournal(sequence)).toEqual(GOOD);
      expect(plane.stagesOf(sequence)).toEqual(['accepted', 'fetched', 'activated', 'confirmed']);
      // The new version was started exactly once, however often the agent was.
      expect((await bench.starts()).slice(before)).toEqual([next]);
      current = next;
    },
    60_000,
  );

  test.each(['reverting', 'reverted'])(
    'at "%s" the old version is put back, once',
    async (stage) => {
      const before = (await bench.starts()).length;
      const other = String(Number(current) + (stage === 'reverting' ? 1 : 2));
      const payload = bench.payloadOf(other, { MODE: 'sick' });
      let sequence = 0;
      await bench.killAt(stage, () => {
        const health = { ...payload.health, failures: 10 };
        sequence = plane.dispatch({ ...payload, health }).sequence;
      });
      await expectNothingHalf();
      await bench.start();
      expect(await plane.finalReport(sequence)).toMatchObject({
        stage: 'reverted',
        failure: { code: 'service-unhealthy' },
        activeRelease: digestOf(current),
      });
      expect(await bench.version()).toBe(current);
      expect(await bench.stagesInJournal(sequence)).toEqual(BAD);
      expect((await bench.starts()).slice(before)).toEqual([other, current]);
    },
    60_000,
  );

  test('in the middle of a journal line it goes on', async () => {
    await bench.stop('SIGKILL');
    const path = join(stateDir, 'journal.jsonl');
    const text = await readFile(path, 'utf8');
    await writeFile(path, `${text}{"sequence":`);
    await bench.start();
    expect(await bench.version()).toBe(current);
  }, 60_000);
});

test('bytes that do not match their digest are refused and change nothing', async () => {
  const before = await bench.version();
  const evil = bench.payloadOf('16');
  const [component] = evil.desired?.components ?? [];
  if (component === undefined) throw new Error('no component');
  plane.exchanged.set(component.digest, Buffer.alloc(component.manifest.size, ' '));
  const command = plane.dispatch(evil);
  expect(await plane.finalReport(command.sequence)).toMatchObject({
    stage: 'refused',
    failure: { code: 'blob-corrupt' },
  });
  plane.exchanged.clear();
  expect(await bench.version()).toBe(before);
}, 60_000);

test('a second agent in the same folder and fault points outside of tests are refused', async () => {
  await expect(bench.start({ SLUICE_AGENT_PAUSE_AT: 'accepted' })).rejects.toThrow('fault tests');
  await expect(bench.start()).rejects.toThrow('works in');
}, 60_000);

test('emptying the target stops the service; SIGTERM ends the agent cleanly', async () => {
  const command = plane.dispatch({ ...bench.payloadOf('1'), desired: null });
  expect(await plane.finalReport(command.sequence)).toMatchObject({
    stage: 'confirmed',
    activeRelease: null,
  });
  expect(await bench.version()).toBeUndefined();
  const child = bench.agent;
  await bench.stop();
  expect(child?.exitCode).toBe(0);
}, 60_000);

test('what is kept is put back without one blob from the control plane', async () => {
  await bench.start({ SLUICE_AGENT_KEEP_RELEASES: '2' });
  plane.refusesBlobs = true;
  const kept = plane.dispatch(bench.payloadOf('12'));
  expect(await plane.finalReport(kept.sequence)).toMatchObject({ stage: 'confirmed' });
  expect(await bench.version()).toBe('12');
  expect(await readdir(join(stateDir, 'images'))).toHaveLength(2);
  const gone = plane.dispatch(bench.payloadOf('2'));
  expect(await plane.finalReport(gone.sequence)).toMatchObject({
    stage: 'refused',
    failure: { code: 'control-plane-refused' },
  });
  plane.refusesBlobs = false;
}, 60_000);
