import { expect, test } from '@jest/globals';
import type { FileReplay } from './file-replay.ts';
import type { Lane } from './lane.ts';
import { SILENT } from './progress.ts';
import { runHistories } from './run-histories.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const build = (buildId: string) => ({ buildId, bundleDigest: digest });

function replayOf(file: string): FileReplay {
  const mismatch = { expected: file, actual: 'nothing', step: null, source: null };
  return {
    recordedBy: { buildIds: [file], bundleDigests: [] },
    result: { file, events: 1, outcome: 'mismatch', mismatch },
  } as unknown as FileReplay;
}

test('a search for a build that goes wrong costs neither another nor any result', async () => {
  const lane: Lane = {
    replayFile: (file) => Promise.resolve(replayOf(file)),
    fits: (file) =>
      file === 'bad' ? Promise.reject(new Error('no')) : Promise.resolve(file === 'good'),
    memory: () => 0,
    close: () => undefined,
  };
  const report = await runHistories({
    files: ['bad', 'good'],
    bundle: { digest: `sha256:${'b'.repeat(64)}`, buildId: 'new' },
    lanes: [lane],
    kept: {
      list: [{ ...build('old'), firstSeenAt: '2026-11-01T00:00:00Z' }],
      findCode: () => Promise.resolve('/code.js'),
    },
    compareInputs: false,
    progress: SILENT,
  });
  expect(report.results.map(({ file, mismatch }) => [file, mismatch?.brokenBy])).toEqual([
    ['bad', 'unknown'],
    ['good', { buildId: 'new', bundleDigest: `sha256:${'b'.repeat(64)}` }],
  ]);
});
