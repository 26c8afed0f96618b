import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Journal, type JournalEntry, type JournalStage } from './journal.ts';

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-journal-'));
  path = join(folder, 'journal.jsonl');
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

function entryOf(sequence: number, stage: JournalStage, fencingToken = sequence): JournalEntry {
  return {
    sequence,
    idempotencyKey: `key-${sequence}`,
    stage,
    releaseDigest: 'sha256:r',
    at: '2026-01-01T00:00:00.000Z',
    commandDigest: `sha256:${sequence}`,
    fencingToken,
    failure: null,
    activeRelease: null,
  };
}

test('remembers what was accepted, and only that', async () => {
  const journal = await Journal.open(path);
  await journal.append(entryOf(1, 'accepted', 7));
  await journal.append(entryOf(1, 'confirmed', 7));
  await journal.append(entryOf(99, 'refused', 99));
  await journal.append(entryOf(2, 'accepted', 5));
  await journal.close();
  const again = await Journal.open(path);
  expect(again.memory).toEqual({ lastSequence: 2, highestFencingToken: 7 });
  expect(again.listUnfinished()).toMatchObject([{ sequence: 2 }]);
  expect(again.hasAccepted('key-1')).toBe(true);
  expect(again.hasAccepted('key-99')).toBe(false);
  await again.close();
});

test('names what is unfinished in order, and what came with a higher fencing token', async () => {
  const journal = await Journal.open(path);
  await journal.append(entryOf(1, 'accepted', 3));
  await journal.append(entryOf(2, 'accepted', 3));
  await journal.append(entryOf(9, 'refused', 9));
  expect(journal.findNewer(3)).toBeUndefined();
  await journal.append(entryOf(3, 'accepted', 4));
  expect(journal.listUnfinished().map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
  expect(journal.findNewer(3)).toMatchObject({ sequence: 3 });
  expect(journal.findNewer(4)).toBeUndefined();
  await journal.append(entryOf(1, 'reverted', 3));
  expect(journal.listUnfinished().map(({ sequence }) => sequence)).toEqual([2, 3]);
  await journal.close();
});

test('lines that are written at once stand one after the other, each stage once', async () => {
  const journal = await Journal.open(path);
  const stages: JournalStage[] = ['accepted', 'fetching', 'accepted', 'fetched'];
  await Promise.all(
    [1, 2, 3].flatMap((n) => stages.map((stage) => journal.append(entryOf(n, stage)))),
  );
  await journal.close();
  const again = await Journal.open(path);
  expect(again.entries).toHaveLength(9);
  expect(again.entries).toEqual(journal.entries);
  await again.close();
});

test('has each stage of a command once', async () => {
  const journal = await Journal.open(path);
  const first = await journal.append(entryOf(1, 'accepted'));
  const second = await journal.append({ ...entryOf(1, 'accepted'), at: 'later' });
  expect(second).toBe(first);
  await journal.close();
  expect((await readFile(path, 'utf8')).trim().split('\n')).toHaveLength(1);
});

test('a torn last line is cut off, and writing goes on behind it', async () => {
  const journal = await Journal.open(path);
  await journal.append(entryOf(1, 'accepted'));
  await journal.close();
  await appendFile(path, '{"sequence":1,"idempotencyKey":"ke');
  const again = await Journal.open(path);
  expect(again.entries).toHaveLength(1);
  await again.append(entryOf(1, 'fetching'));
  await again.close();
  const lines = (await readFile(path, 'utf8')).trim().split('\n');
  expect(lines.map((line) => JSON.parse(line).stage)).toEqual(['accepted', 'fetching']);
});

test('damage elsewhere stops the agent', async () => {
  await writeFile(path, `nonsense\n${JSON.stringify(entryOf(1, 'accepted'))}\n`);
  await expect(Journal.open(path)).rejects.toMatchObject({
    code: 'journal-damaged',
    message: expect.stringContaining('Line 1'),
  });
});

test('what a failed write left of a line does not damage the next one', async () => {
  const journal = await Journal.open(path);
  await journal.append(entryOf(1, 'accepted'));
  await appendFile(path, '{"sequence":1,"sta');
  await journal.append(entryOf(1, 'refused'));
  await journal.append(entryOf(2, 'accepted'));
  await journal.close();
  const again = await Journal.open(path);
  expect(again.entries.map(({ stage }) => stage)).toEqual(['accepted', 'refused', 'accepted']);
  await again.close();
});
