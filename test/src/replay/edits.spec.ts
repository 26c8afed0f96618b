import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import { buildVariants, type WorkflowVariant, writeVariant } from '../workflows/variants.ts';
import { type CatalogedEdit, EDITS, type EditKind } from './edits.ts';
import { HISTORIES, type HistoryFile, listHistoryFiles } from './history-file.ts';
import { replayHistories } from './replay-histories.ts';

const KINDS: readonly EditKind[] = ['added', 'removed', 'reordered', 'renamed', 'input or timer'];

const REPLAY = fileURLToPath(new URL('../../../apps/replay/dist/main.js', import.meta.url));

/** What neither sees, all in one variant: each replay tool that is started costs seconds. */
const UNSEEN = EDITS.filter(({ caughtBy }) => caughtBy === 'nobody');

let folder: string;
let files: readonly HistoryFile[];
let variants: Readonly<Record<string, WorkflowVariant>>;

beforeAll(async () => {
  try {
    // What is expected to fail here is logged as a warning, by the runtime and by its core.
    const filter = makeTelemetryFilterString({ core: 'ERROR' });
    const telemetryOptions = { logging: { filter, forward: {} } };
    const logger = new DefaultLogger('ERROR', () => undefined);
    Runtime.install({ logger, telemetryOptions });
  } catch (error) {
    if ((error as Error).name !== 'IllegalStateError') throw error;
  }
  folder = await mkdtemp(join(tmpdir(), 'sluice-edits-'));
  files = await listHistoryFiles();
  variants = await buildVariants({
    ...Object.fromEntries(EDITS.map(({ edits }, index) => [`edit-${index}`, edits])),
    unseen: UNSEEN.flatMap(({ edits }) => edits),
  });
}, 300_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

describe.each(KINDS)('a change of the workflows: %s', (kind) => {
  test.each(rowsOf(kind))('%s: caught by %s', async (_what, caughtBy, { history }, name) => {
    const [outcome] = await replayHistories(getVariant(name), getFile(history));
    expect(outcome?.name).toBe(history);
    if (caughtBy === 'replay') expect(outcome?.problem).toMatch(/nondetermini|no such function/i);
    else expect(outcome?.problem).toBeUndefined();
  });

  test('what plain replay does not see says why', () => {
    const unseen = EDITS.filter((edit) => edit.kind === kind && edit.caughtBy !== 'replay');
    expect(unseen.filter(({ why }) => why === undefined)).toEqual([]);
  });
});

describe('what plain replay does not see, with --inputs', () => {
  const seen = EDITS.flatMap(({ what, caughtBy, history }, index) =>
    caughtBy === 'inputs' ? [[what, history, `edit-${index}`] as const] : [],
  );

  test.each(seen)(
    '%s: caught by inputs',
    async (_what, history, name) => {
      const bundle = await writeVariant(folder, getVariant(name));
      const { status, changed } = await compareInputs(bundle, [history]);
      expect({ status, isChanged: changed.length > 0 }).toEqual({ status: 1, isChanged: true });
    },
    120_000,
  );

  test('caught by nobody: the others, each with a history that goes the changed way', async () => {
    const bundle = await writeVariant(folder, getVariant('unseen'));
    const histories = new Set(UNSEEN.map(({ history }) => history));
    expect(await compareInputs(bundle, [...histories])).toEqual({ status: 0, changed: [] });
  }, 120_000);
});

interface Report {
  readonly results: readonly { readonly outcome: string; readonly inputs?: readonly unknown[] }[];
}

/** Runs the replay tool as built on histories. */
function compareInputs(
  bundle: string,
  histories: readonly string[],
): Promise<{ readonly status: number; readonly changed: readonly unknown[] }> {
  const inputs = histories.map((name) => fileURLToPath(new URL(`${name}.json`, HISTORIES)));
  const options = ['--inputs', '--format', 'json', '--no-progress'];
  const args = [REPLAY, 'run', '--input', ...inputs, '--bundle', bundle, ...options];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { timeout: 110_000 }, (error, stdout, stderr) => {
      const status = error === null ? 0 : error.code;
      if (typeof status !== 'number' || status > 1)
        return reject(new Error(stderr || String(error)));
      const { results } = JSON.parse(stdout) as Report;
      expect(results.map(({ outcome }) => outcome)).toEqual(histories.map(() => 'deterministic'));
      return resolve({ status, changed: results.flatMap(({ inputs }) => inputs ?? []) });
    });
  });
}

function rowsOf(kind: EditKind): [string, string, CatalogedEdit, string][] {
  return EDITS.flatMap((edit, index) =>
    edit.kind === kind ? [[edit.what, edit.caughtBy, edit, `edit-${index}`]] : [],
  );
}

function getFile(name: string): readonly HistoryFile[] {
  return files.filter((file) => file.name === name);
}

function getVariant(name: string): WorkflowVariant {
  const variant = variants[name];
  if (variant === undefined) throw new Error(`There is no variant ${name}.`);
  return variant;
}
