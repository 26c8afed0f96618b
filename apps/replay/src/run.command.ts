import { access, constants } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { listInputFiles } from './input-files.ts';
import { formatJunit } from './junit.ts';
import { type KeptBuilds, openKeptBuilds } from './kept-builds.ts';
import { type Lane, startLane } from './lane.ts';
import { openProgress, SILENT } from './progress.ts';
import { isClean, runHistories } from './run-histories.ts';
import { formatReport } from './run-text.ts';
import { openPalette } from './text.ts';
import { readKeys, type ToolIo, UsageError, writeWhole } from './tool-io.ts';
import { OWN_BUNDLE, readWorkflowBundle } from './workflow-bundle.ts';

/** Options of `run`. */
export interface RunCommand {
  readonly inputs: readonly string[];
  readonly key: string | undefined;
  readonly bundle: string | undefined;
  readonly bundles: string | undefined;
  readonly workers: number | undefined;
  readonly compareInputs: boolean;
  readonly format: 'text' | 'json';
  readonly json: string | undefined;
  readonly junit: string | undefined;
  readonly isProgressShown: boolean;
}

/**
 * Replays histories and says what came of it.
 * @returns 0 when all are deterministic (and no input has changed, where that was asked), otherwise 1
 */
export async function runCommand(command: RunCommand, io: ToolIo): Promise<number> {
  const { bundles, compareInputs, format, json, junit } = command;
  const bundlePath = resolve(command.bundle ?? OWN_BUNDLE);
  // What is wrong with the command line is said before any history is touched.
  const files = await listInputFiles(command.inputs);
  await readKeys(command.key);
  const bundle = await readWorkflowBundle(bundlePath);
  const kept = bundles === undefined ? undefined : await openKept(bundles);
  for (const path of [json, junit]) await assertWritable(path);
  const count = Math.max(1, Math.min(command.workers ?? io.processors, files.length));
  const settings = { bundle: bundlePath, key: command.key, compareInputs };
  const lanes = await startLanes(count, () => startLane(settings));
  try {
    const output = { write: (text: string) => io.err(text), columns: io.errColumns };
    const report = await runHistories({
      files,
      bundle: { digest: bundle.digest, buildId: bundle.buildId },
      lanes,
      kept,
      compareInputs,
      progress: command.isProgressShown ? openProgress(files.length, output) : SILENT,
    });
    const text = `${JSON.stringify(report, null, 2)}\n`;
    if (json !== undefined) await writeWhole(json, text);
    if (junit !== undefined) await writeWhole(junit, formatJunit(report));
    io.out(format === 'json' ? text : formatReport(report, openPalette(io.isColoured)));
    return isClean(report) ? 0 : 1;
  } finally {
    for (const lane of lanes) lane.close();
  }
}

/** All of them or none: what was started is ended when one does not start. */
async function startLanes(count: number, start: () => Promise<Lane>): Promise<readonly Lane[]> {
  const settled = await Promise.allSettled(Array.from({ length: count }, start));
  const lanes = settled.filter((one) => one.status === 'fulfilled').map(({ value }) => value);
  const failure = settled.find((one) => one.status === 'rejected');
  if (failure === undefined) return lanes;
  for (const lane of lanes) lane.close();
  throw failure.reason;
}

async function openKept(folder: string): Promise<KeptBuilds> {
  try {
    return await openKeptBuilds(folder);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

async function assertWritable(path: string | undefined): Promise<void> {
  if (path === undefined) return;
  try {
    await access(dirname(resolve(path)), constants.W_OK);
  } catch {
    throw new UsageError(`${path} cannot be written: there is no such folder, or it is not yours.`);
  }
}
