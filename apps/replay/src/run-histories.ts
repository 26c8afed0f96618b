import { performance } from 'node:perf_hooks';
import { type BuildName, findBreakingBuild } from './bisect.ts';
import type { FileReplay } from './file-replay.ts';
import type { FoundMismatch } from './first-mismatch.ts';
import type { KeptBuilds } from './kept-builds.ts';
import type { Lane } from './lane.ts';
import type { ReplayReport, ReplayResult } from './replay-result.ts';

/** What is replayed, and by what. */
export interface RunOptions {
  readonly files: readonly string[];
  readonly bundle: { readonly digest: string; readonly buildId: string };
  readonly lanes: readonly Lane[];
  readonly kept: KeptBuilds | undefined;
  readonly compareInputs: boolean;
  readonly progress: RunProgress;
}

/** Hears how far a run is. */
export interface RunProgress {
  replayed(result: FileReplay['result']): void;
  /** The search for the builds that broke histories begins: `count` searches. */
  searching(count: number): void;
  close(): void;
}

/** Replays all files: each lane takes the next one that is left. Results are in the files' order. */
export async function runHistories(options: RunOptions): Promise<ReplayReport> {
  const { files, bundle, lanes, kept, compareInputs, progress } = options;
  const started = performance.now();
  const replays: FileReplay[] = [];
  let next = 0;
  let peak = 0;
  const work = async (lane: Lane): Promise<void> => {
    for (;;) {
      const index = next;
      const file = files[index];
      if (file === undefined) return;
      next += 1;
      const replay = await lane.replayFile(file);
      replays[index] = replay;
      peak = Math.max(peak, memoryOf(lanes));
      progress.replayed(replay.result);
    }
  };
  await Promise.all(lanes.map(work));
  const seconds = Math.round(performance.now() - started) / 1000;
  const brokenBy = await findBuilds({ replays, bundle, lanes, kept, progress });
  progress.close();
  const results = replays.map(({ result: { mismatch, ...rest }, recordedBy }): ReplayResult => {
    if (mismatch === undefined) return rest;
    const build = brokenBy.get(searchKey(mismatch, recordedBy)) ?? 'unknown';
    return { ...rest, mismatch: { ...mismatch, brokenBy: build } };
  });
  const count = (outcome: ReplayResult['outcome']): number =>
    results.filter((result) => result.outcome === outcome).length;
  return {
    schema: 'sluice.replay/v1',
    bundle,
    workers: lanes.length,
    seconds,
    histories: results.length,
    events: results.reduce((sum, { events }) => sum + events, 0),
    deterministic: count('deterministic'),
    mismatched: count('mismatch'),
    failed: count('unreadable'),
    inputsChanged: compareInputs ? results.filter(hasChangedInputs).length : null,
    peakMemoryBytes: peak,
    results,
  };
}

/** Whether code gives other arguments than were recorded; false where nobody asked. */
export function hasChangedInputs({ inputs = [] }: Pick<ReplayResult, 'inputs'>): boolean {
  return inputs.length > 0;
}

/** Whether everything that was asked for holds. */
export function isClean(report: ReplayReport): boolean {
  return report.deterministic === report.histories && (report.inputsChanged ?? 0) === 0;
}

function memoryOf(lanes: readonly Lane[]): number {
  const own = process.memoryUsage().rss;
  return lanes.reduce((sum, lane) => sum + lane.memory(), own);
}

/** One search for all histories that the same builds recorded and that part at the same place. */
async function findBuilds({
  replays,
  bundle,
  lanes,
  kept,
  progress,
}: Pick<RunOptions, 'bundle' | 'lanes' | 'kept' | 'progress'> & {
  readonly replays: readonly FileReplay[];
}): Promise<ReadonlyMap<string, BuildName | 'unknown'>> {
  const found = new Map<string, BuildName | 'unknown'>();
  const searches = new Map<string, FileReplay>();
  for (const replay of replays) {
    const { mismatch } = replay.result;
    if (mismatch === undefined) continue;
    const key = searchKey(mismatch, replay.recordedBy);
    if (!searches.has(key)) searches.set(key, replay);
  }
  if (kept === undefined || searches.size === 0) return found;
  progress.searching(searches.size);
  const left = [...searches];
  const search = async (lane: Lane): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const [key, { result, recordedBy }] = next;
      // What goes wrong with one search costs no other and no result.
      const build = await findBreakingBuild({
        kept: kept.list,
        recordedBy,
        given: { buildId: bundle.buildId, bundleDigest: bundle.digest },
        fits: async (candidate) => {
          const path = await kept.findCode(candidate);
          return path === undefined ? undefined : lane.fits(result.file, path);
        },
      }).catch(() => 'unknown' as const);
      found.set(key, build);
    }
  };
  await Promise.all(lanes.map(search));
  return found;
}

function searchKey(mismatch: FoundMismatch, recordedBy: FileReplay['recordedBy']): string {
  const { expected, actual, step, source } = mismatch;
  return JSON.stringify([expected, actual, step, source, recordedBy]);
}
