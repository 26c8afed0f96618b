import { readFile, stat } from 'node:fs/promises';
import type { CodecKeys, ReadHistory } from '@sluice/temporal-client';
import { MAX_HISTORY_FILE_BYTES, mayLookIntoTexts, readHistoryFile } from '@sluice/temporal-client';
import { findChangedInputs } from './changed-inputs.ts';
import { type FileReplay, unreadable } from './file-replay.ts';
import { type FoundMismatch, findMismatch } from './first-mismatch.ts';
import type { ProbeOptions } from './probe.ts';
import { openReplayWorker, type Replayed, type ReplayWorker } from './replay-worker.ts';
import { readWorkflowBundle, type WorkflowCode } from './workflow-bundle.ts';

/** How histories are replayed. */
export interface ReplayerOptions {
  readonly bundle: WorkflowCode;
  readonly keys: CodecKeys | undefined;
  readonly compareInputs: boolean;
}

/** Replays files one after the other. */
export interface HistoryReplayer {
  /** Never throws: what is wrong with a file is its result. */
  replayFile(file: string): Promise<FileReplay>;
  /** Whether a file fits another bundle; undefined when that cannot be told. */
  fits(file: string, bundlePath: string): Promise<boolean | undefined>;
  close(): Promise<void>;
}

/** Other bundles that are kept ready while builds are searched. */
const MAX_OTHER_BUNDLES = 3;

/** Opens a replayer; its replay workers start when they are first needed. */
export function openHistoryReplayer(options: ReplayerOptions): HistoryReplayer {
  const { bundle, keys, compareInputs } = options;
  const workers = new Map<string, ReplayWorker>();
  const close = async (key: string): Promise<void> => {
    const worker = workers.get(key);
    workers.delete(key);
    await worker?.close().catch(() => undefined);
  };
  const replay = async (
    code: WorkflowCode,
    watch: ProbeOptions['watch'],
    read: ReadHistory,
  ): Promise<Replayed> => {
    if (!hasTasks(read)) return { problem: undefined, activations: [] };
    const { history, head } = read;
    const key = `${code.path} ${watch}`;
    const worker = workers.get(key) ?? openReplayWorker(code.code, { watch });
    // Again at the end: the first is the one that was not used for longest.
    workers.delete(key);
    workers.set(key, worker);
    try {
      return await worker.replay(history, head.workflowId);
    } catch (error) {
      await close(key);
      throw error;
    }
  };
  const readWhole = async (file: string, started: number): Promise<FileReplay> => {
    const read = await readHistory(file, keys);
    const { head, history } = read;
    const quick = await replay(bundle, compareInputs ? 'commands' : 'none', read);
    if (quick.problem?.kind === 'history-invalid') {
      throw Object.assign(new Error(quick.problem.text), { code: 'history-invalid' });
    }
    // Sources cost much and only few histories need them.
    const told = quick.problem === undefined ? quick : await replay(bundle, 'sources', read);
    // One that fits at the second look is no mismatch that could be explained: the first stands.
    const seen = told.problem === undefined ? quick : told;
    const inputs = compareInputs
      ? findChangedInputs(history, seen.activations, read.form === 'redacted')
      : undefined;
    return {
      recordedBy: { buildIds: head.buildIds, bundleDigests: head.bundleDigests },
      result: {
        file,
        workflowId: head.workflowId,
        runId: head.runId,
        workflowType: head.workflowType,
        status: head.status,
        events: head.eventCount,
        outcome: quick.problem === undefined ? 'deterministic' : 'mismatch',
        seconds: secondsSince(started),
        ...(quick.problem === undefined
          ? {}
          : { mismatch: explained(findMismatch(history, seen, bundle.sources), read) }),
        ...(inputs === undefined ? {} : { inputs }),
      },
    };
  };
  return {
    replayFile: async (file) => {
      const started = performance.now();
      try {
        return await readWhole(file, started);
      } catch (error) {
        return unreadable(file, error, secondsSince(started));
      }
    },
    fits: async (file, bundlePath) => {
      try {
        const other = await readWorkflowBundle(bundlePath);
        const { problem } = await replay(other, 'none', await readHistory(file, keys));
        return problem === undefined;
      } catch {
        return undefined;
      } finally {
        const others = [...workers.keys()].filter((key) => !key.startsWith(`${bundle.path} `));
        for (const key of others.slice(0, -MAX_OTHER_BUNDLES)) await close(key);
      }
    },
    close: async () => {
      for (const key of [...workers.keys()]) await close(key);
    },
  };
}

/** A redacted history may part from the code for what was done to its texts. */
function explained(mismatch: FoundMismatch, { form, history }: ReadHistory): FoundMismatch {
  if (form !== 'redacted' || !mayLookIntoTexts(history)) return mismatch;
  const message = `${mismatch.message} ${LOOKS_INTO_TEXTS}`;
  return { ...mismatch, message };
}

const LOOKS_INTO_TEXTS =
  'This history is redacted, and its pipeline has conditions that may order texts or look into them: those are answered otherwise than they ' +
  'were. Before you look for a fault in the code, replay the encrypted history (--key).';

/**
 * Reads a history, however large its file says it is.
 * @throws HistoryFileError, or the file system's own error
 */
export async function readHistory(file: string, keys: CodecKeys | undefined): Promise<ReadHistory> {
  const found = await stat(file);
  if (!found.isFile()) {
    throw Object.assign(new Error('It is no file.'), { code: 'history-file-unreadable' });
  }
  if (found.size > MAX_HISTORY_FILE_BYTES) {
    const message = `The file has ${found.size} bytes, and no more than ${MAX_HISTORY_FILE_BYTES} are read.`;
    throw Object.assign(new Error(message), { code: 'history-too-large' });
  }
  return readHistoryFile(await readFile(file), { keys });
}

/** A run that was ended before any worker took a task of it has nothing that could be replayed. */
function hasTasks({ history }: ReadHistory): boolean {
  const events = history.events ?? [];
  return events.some((event) => event.workflowTaskStartedEventAttributes != null);
}

function secondsSince(started: number): number {
  return Math.round(performance.now() - started) / 1000;
}
