import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ApiClient } from './api-client.ts';
import { assertNotRefused, type CommandContext } from './command-context.ts';
import { CliError, EXIT_CODES } from './exit-codes.ts';
import type {
  ExportedHistoriesView,
  HistoryDocumentView,
  HistoryForm,
} from './history-operations.ts';
import { OPERATIONS, type RefusalView } from './operations.ts';
import { clause } from './text-layout.ts';

/** Promotions that are asked for at once. */
const AT_ONCE = 4;
/** Refusals that speak of one promotion of many: there is nothing to have, which is no fault, … */
const NOTHING_THERE = ['history-not-archived', 'history-expired'];
/** … or there should be. */
const FAULTS = ['history-damaged', 'history-key-missing', 'history-too-large'];
/** No folder, no hidden file, no name that means something to a shell. */
const FILE_NAME = /^[a-z0-9][a-z0-9-]{0,120}\.[A-Za-z0-9-]{1,80}\.(history|json)$/;

/** How histories are asked for. */
export interface ExportOptions {
  readonly form: HistoryForm;
  /** Why they are read. */
  readonly reason: string;
  /** Folder that gets the files; it is there. */
  readonly folder: string;
}

/** One history that was written. */
export interface SavedHistory {
  readonly promotion: string;
  readonly workflowId: string;
  readonly runId: string;
  /** False for a run that may go on. */
  readonly archived: boolean;
  readonly file: string;
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
}

/** What became of each promotion. */
export interface SavedHistories {
  readonly saved: readonly SavedHistory[];
  /** Promotions whose histories cannot be had, each with why. */
  readonly skipped: readonly SkippedPromotion[];
}

/** A promotion of many that was left out. */
export interface SkippedPromotion {
  readonly promotion: string;
  readonly code: string;
  readonly reason: string;
  /** True when something is broken; false when there is nothing to have. */
  readonly isFault: boolean;
}

/**
 * Writes the histories of one promotion, oldest run first.
 * @throws CliError for a refusal, and for a document that is not what it says it is
 */
export async function saveHistories(
  api: ApiClient,
  promotion: string,
  { form, reason, folder }: ExportOptions,
): Promise<readonly SavedHistory[]> {
  const input = { promotion, form, reason, idempotencyKey: randomUUID() };
  const { exportHistories: answer } = await api.run<{
    exportHistories: ExportedHistoriesView | RefusalView;
  }>(OPERATIONS.exportHistories, { input });
  assertNotRefused<ExportedHistoriesView>(answer, 'ExportedHistories');
  return answer.documents.map((document) => {
    const bytes = contentOf(document, form);
    writeHistory(folder, document.fileName, bytes);
    const { workflowId, runId, archived, digest, fileName } = document;
    const file = join(folder, fileName);
    return { promotion, workflowId, runId, archived, file, digest, size: bytes.byteLength };
  });
}

/**
 * Writes the histories of many promotions, a few at a time, in their order; those that have none are skipped.
 * @throws CliError for every other refusal
 */
export async function saveAllHistories(
  context: CommandContext,
  promotions: readonly string[],
  options: ExportOptions,
): Promise<SavedHistories> {
  const api = context.api();
  const tell = tellProgress(context, promotions.length);
  const saved: (readonly SavedHistory[])[] = [];
  const skipped: SkippedPromotion[] = [];
  const waiting = promotions.entries();
  let done = 0;
  let isOver = false;
  const work = async (): Promise<void> => {
    for (const [at, promotion] of waiting) {
      if (isOver) return;
      try {
        saved[at] = await saveHistories(api, promotion, options);
      } catch (error) {
        const { code, message } = error as CliError;
        const isFault = FAULTS.includes(code);
        isOver = !isFault && !NOTHING_THERE.includes(code);
        if (isOver) throw error;
        skipped.push({ promotion, code, reason: clause(message), isFault });
      }
      done += 1;
      tell(done);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { saved: saved.flat(), skipped };
}

/** Makes the folder that histories are written to: what it holds is for its owner alone. */
export function makeHistoryFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    const message = `The folder ${path} cannot be made: ${clause((error as Error).message)}.`;
    throw new CliError(EXIT_CODES.usage, 'file-unwritable', message, 'Name another with --to.');
  }
}

/** Says on standard error how far it is: over and over on one line of a terminal, not at all elsewhere. */
function tellProgress({ io, options }: CommandContext, total: number): (done: number) => void {
  if (io.terminal() === undefined || options.json === true || total < 2) return () => undefined;
  return (done) => {
    const text = done < total ? `Fetching histories: ${done} of ${total} promotions` : '';
    io.err(`\r\u001b[K${text}`);
  };
}

function contentOf({ fileName, digest, content }: HistoryDocumentView, form: HistoryForm): Buffer {
  // What the server names is a file in this folder and nothing else.
  if (!FILE_NAME.test(fileName) || fileName.endsWith('.history') !== (form === 'ENCRYPTED')) {
    const message = `The API names a history "${fileName}", which is no name for a history's file.`;
    throw new CliError(EXIT_CODES.failed, 'file-name-refused', message, 'Nothing was written.');
  }
  const bytes = Buffer.from(content, form === 'ENCRYPTED' ? 'base64' : 'utf8');
  if (`sha256:${createHash('sha256').update(bytes).digest('hex')}` === digest) return bytes;
  const message = `The history ${fileName} is not what its digest says: it was changed on its way.`;
  throw new CliError(EXIT_CODES.failed, 'digest-differs', message, 'Ask again.');
}

/** Whole or not at all; never through a link that lies there. */
function writeHistory(folder: string, fileName: string, bytes: Buffer): void {
  const aside = join(folder, `.${fileName}.${randomUUID()}`);
  try {
    writeFileSync(aside, bytes, { flag: 'wx', mode: 0o600 });
    renameSync(aside, join(folder, fileName));
  } catch (error) {
    rmSync(aside, { force: true });
    const message = `${join(folder, fileName)} cannot be written: ${clause((error as Error).message)}.`;
    throw new CliError(EXIT_CODES.usage, 'file-unwritable', message, 'Look at that folder.');
  }
}
