import { listStepLogs, type Page, type StepLogRecord } from '@sluice/persistence';
import { stepLogView } from './log.view.ts';
import { type LogSources, openLog } from './read-log-text.ts';

/** Lines that one search tells. */
export const MAX_MATCHES = 200;

/** Logs, and bytes of them, that one search looks through. */
const MAX_LOGS = 500;
const MAX_BYTES = 64 * 1024 * 1024;

/** Logs are read in pieces of this size. */
const PIECE_BYTES = 1024 * 1024;

/** Characters of a line that are shown. */
const MAX_LINE = 500;

const PAGE = 100;

/** What is searched for, and where. */
export interface LogSearch {
  readonly promotionId: string;
  readonly stepId?: string | undefined;
  readonly text: string;
}

/** A line that was found. */
interface Match {
  readonly log: ReturnType<typeof stepLogView>;
  readonly line: number;
  readonly offset: number;
  readonly text: string;
}

/** Looks through the logs of a promotion in their order, within bounds; says when they did not suffice. */
export async function searchLogs(sources: LogSources, search: LogSearch) {
  const wanted = search.text.toLowerCase();
  const matches: Match[] = [];
  let logs = 0;
  let left = MAX_BYTES;
  for await (const log of logsOf(sources, search)) {
    logs += 1;
    if (logs > MAX_LOGS) return { matches, complete: false };
    const looked = await searchLog(sources, log, wanted, left, matches);
    left -= looked.bytes;
    if (!looked.complete) return { matches, complete: false };
  }
  return { matches, complete: true };
}

async function* logsOf(
  { inTenant }: LogSources,
  { promotionId, stepId }: LogSearch,
): AsyncGenerator<StepLogRecord, void, undefined> {
  let after: string | null = null;
  do {
    const from: string | null = after;
    const page: Page<StepLogRecord> = await inTenant((tx) =>
      listStepLogs(tx, { promotionId, stepId, first: PAGE, after: from }),
    );
    for (const { node } of page.edges) yield node;
    after = page.hasNextPage ? page.endCursor : null;
  } while (after !== null);
}

async function searchLog(
  sources: LogSources,
  log: StepLogRecord,
  wanted: string,
  left: number,
  matches: Match[],
): Promise<{ readonly bytes: number; readonly complete: boolean }> {
  const reader = openLog(sources, log);
  let offset = 0;
  let line = 1;
  /** The line that the last piece ended in, and where it begins. */
  let open = { text: '', offset: 0 };
  const look = (text: string, at: number): boolean => {
    if (!text.toLowerCase().includes(wanted)) return true;
    if (matches.length >= MAX_MATCHES) return false;
    matches.push({ log: stepLogView(log), line, offset: at, text: shown(text, wanted) });
    return true;
  };
  for (;;) {
    if (offset >= left) return { bytes: offset, complete: false };
    const piece = await reader.read(offset, Math.min(PIECE_BYTES, left - offset + 4));
    if (piece.nextOffset === offset) break;
    const lines = piece.text.split('\n');
    const last = lines.pop() ?? '';
    for (const each of lines) {
      const whole = open.text + each;
      if (!look(whole, open.offset)) return { bytes: piece.nextOffset, complete: false };
      line += 1;
      open = { text: '', offset: open.offset + Buffer.byteLength(whole) + 1 };
    }
    open = { ...open, text: open.text + last };
    offset = piece.nextOffset;
  }
  return { bytes: offset, complete: look(open.text, open.offset) };
}

/** The line, or what of a long one stands around the place. */
function shown(line: string, wanted: string): string {
  if (line.length <= MAX_LINE) return line;
  const at = Math.max(0, line.toLowerCase().indexOf(wanted) - 100);
  return `${at > 0 ? '…' : ''}${line.slice(at, at + MAX_LINE - 2)}…`;
}
