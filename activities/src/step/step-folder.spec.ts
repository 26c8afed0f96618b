import { mkdir, mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { makeStepFolder } from './step-folder.ts';

let parent: string;

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'sluice-folders-'));
});
afterAll(() => rm(parent, { recursive: true }));

test('what a worker that died left goes with the next step of its kind; younger ones and others stay', async () => {
  const hoursAgo = (hours: number): Date => new Date(Date.now() - hours * 3600_000);
  for (const [name, hours] of [
    ['sluice-scan-7-abcdef', 26],
    ['sluice-scan-8-abcdef', 24],
    ['sluice-script-7-abcdef', 26],
    ['somebody-elses', 26],
  ] as const) {
    await mkdir(join(parent, name, 'image'), { recursive: true });
    await utimes(join(parent, name), hoursAgo(hours), hoursAgo(hours));
  }
  const made = basename(await makeStepFolder('scan', parent));
  expect(made).toMatch(new RegExp(`^sluice-scan-${process.pid}-`));
  expect((await readdir(parent)).sort()).toEqual(
    ['sluice-scan-8-abcdef', 'sluice-script-7-abcdef', 'somebody-elses', made].sort(),
  );
});
