import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { CliIo } from './cli-io.ts';
import { act, type CommandContext } from './command-context.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import {
  makeHistoryFolder,
  type SavedHistories,
  saveAllHistories,
  saveHistories,
} from './history-export.ts';
import type { ArchivedRunView } from './history-operations.ts';
import { fetchCode, listKeptBundles, writeBundleList } from './kept-code.ts';
import { OPERATIONS } from './operations.ts';
import { duration, minuteOf, shortDigest } from './progress-text.ts';
import { isQueryWord, listPromotions, parseQuery } from './promotion-query.ts';
import { assertPromotionId, noPromotion } from './promotion-reference.ts';
import { table, wrapped } from './text-layout.ts';

interface ExportCommandOptions {
  readonly to: string;
  readonly encrypted?: boolean;
  readonly bundles?: boolean;
  readonly reason?: string;
}

/** Adds `sluice history …`. */
export function addHistoryCommands(
  program: Command,
  io: CliIo,
  settle: (exitCode: ExitCode) => void,
): void {
  const history = program
    .command('history')
    .description('what the engine recorded, kept when it has forgotten it');
  const list = history
    .command('list <promotion>')
    .description('archived runs of a promotion, oldest first');
  act(list, io, settle, listHistories);
  const out = history
    .command('export <promotion-or-query...>')
    .description('write histories as files that replay anywhere; reading them is an event')
    .requiredOption('--to <folder>', 'made, readable for you alone, when missing')
    .option('--encrypted', "as archived, for who has the tenant's key (default: redacted)")
    .option('--bundles', 'also the kept workflow code, to find which build broke a history')
    .option('--reason <text>', 'why they are read; stands in the event');
  act<ExportCommandOptions>(out, io, settle, exportHistories);
}

async function listHistories(
  context: CommandContext,
  _: unknown,
  [id = '']: readonly string[],
): Promise<ExitCode> {
  assertPromotionId(id);
  const { promotion } = await context.api().run<{
    promotion: {
      readonly id: string;
      readonly state: string;
      readonly bundleDigest: string | null;
      readonly histories: readonly ArchivedRunView[];
    } | null;
  }>(OPERATIONS.promotionHistories, { id });
  if (promotion === null) throw noPromotion(id);
  context.print(promotion, () =>
    promotion.histories.length === 0
      ? `${id} is ${promotion.state.toLowerCase()} and has no archived history yet: it comes when its workflow closes. What there is now: sluice history export ${id} --to FOLDER\n`
      : describeRuns(promotion.histories),
  );
  return EXIT_CODES.ok;
}

function describeRuns(runs: readonly ArchivedRunView[]): string {
  const rows = runs.map((run) => [
    run.workflowType,
    run.status.toLowerCase().replaceAll('_', '-'),
    String(run.eventCount),
    minuteOf(run.closedAt),
    duration(Date.parse(run.closedAt) - Date.parse(run.startedAt)),
    run.buildIds.at(-1) ?? 'unknown',
  ]);
  const columns = ['WORKFLOW', 'STATUS', 'EVENTS', 'CLOSED (UTC)', 'TOOK'];
  const titles = columns.map((title) => ({ title }));
  const details = runs.map(({ runId, historyDigest, archiveDigest, packetDigest, expiredAt }) =>
    [
      `\nrun      ${runId}\n`,
      `history  ${shortDigest(historyDigest)}\n`,
      expiredAt === null
        ? `archive  ${shortDigest(archiveDigest)}\n`
        : `archive  removed by rule ${minuteOf(expiredAt)} UTC\n`,
      packetDigest === null ? '' : `packet   ${shortDigest(packetDigest)}\n`,
    ].join(''),
  );
  return table([...titles, { title: 'BUILD', shrinks: true }], rows) + details.join('');
}

async function exportHistories(
  context: CommandContext,
  options: ExportCommandOptions,
  words: readonly string[],
): Promise<ExitCode> {
  const folder = resolve(options.to);
  const form = options.encrypted === true ? 'ENCRYPTED' : 'REDACTED';
  const { reason = 'Exported with sluice history export.' } = options;
  const { promotions, isMore } = await findPromotions(context, words);
  makeHistoryFolder(folder);
  const input = { form, reason, folder } as const;
  const outcome = await saveFound(context, promotions, input);
  const bundles = options.bundles === true ? await exportBundles(context, folder) : 0;
  const withCode = bundles > 0 ? ` --bundles ${join(options.to, 'bundles')}` : '';
  context.print({ folder, form, ...outcome, bundles, isMore }, () =>
    [
      wrapped(`${countOf(outcome.saved.length, 'history', 'histories')} written to ${folder}`, 2),
      bundles > 0 ? `${countOf(bundles, 'build', 'builds')} of workflow code beside them\n` : '',
      describeSkipped(outcome),
      isMore ? 'There are more: narrow the query, or raise limit=.\n' : '',
      `Replay them: sluice replay ${options.to}${form === 'ENCRYPTED' ? ' --key FILE' : ''}${withCode}\n`,
    ].join(''),
  );
  return hasFault(outcome) ? EXIT_CODES.failed : EXIT_CODES.ok;
}

/** True when a history that should be there cannot be had. */
export function hasFault({ skipped }: SavedHistories): boolean {
  return skipped.some(({ isFault }) => isFault);
}

/** What `history export` and `replay` are asked for: promotions by their ids, or by a query. */
export async function findPromotions(
  context: CommandContext,
  words: readonly string[],
): Promise<{ readonly promotions: readonly string[]; readonly isMore: boolean }> {
  const queried = words.filter(isQueryWord);
  if (queried.length === 0) {
    for (const word of words) assertPromotionId(word);
    return { promotions: [...new Set(words)], isMore: false };
  }
  if (queried.length < words.length) {
    const message = 'A query stands alone, without promotions or files beside it.';
    const next = 'Write environment=dev state=failed since=7d, or dev/1 dev/2.';
    throw new CliError(EXIT_CODES.usage, 'query-mixed', message, next);
  }
  const query = parseQuery(words, context.io.now());
  const { found, isMore } = await listPromotions(context.api(), query);
  // What is not archived the engine may still have: most of those go on.
  const there = found.filter(
    ({ histories }) =>
      histories.length === 0 || histories.some(({ expiredAt }) => expiredAt === null),
  );
  if (there.length > 0) return { promotions: there.map(({ id }) => id), isMore };
  const which =
    found.length === 0
      ? 'No promotion fits'
      : `Of ${found.length} promotions every history was removed by rule`;
  const message = `${which}: ${words.join(' ')}.`;
  throw new CliError(EXIT_CODES.failed, 'no-history-found', message, 'Widen the query.');
}

/** Writes the histories of what was found; of a single promotion, that it has none is an error. */
export async function saveFound(
  context: CommandContext,
  promotions: readonly string[],
  options: Parameters<typeof saveHistories>[2],
): Promise<SavedHistories> {
  const [only] = promotions;
  if (only === undefined || promotions.length > 1) {
    return saveAllHistories(context, promotions, options);
  }
  return { saved: await saveHistories(context.api(), only, options), skipped: [] };
}

/** Which promotions gave nothing, for reading; empty where each gave something. */
export function describeSkipped({ skipped }: SavedHistories): string {
  const shown = skipped
    .slice(0, 5)
    .map(({ promotion, reason }) => wrapped(`  ${promotion}: ${reason}`, 4));
  if (shown.length === 0) return '';
  const more = skipped.length > 5 ? `  … and ${skipped.length - 5} more\n` : '';
  return `Left out, ${countOf(skipped.length, 'promotion', 'promotions')}:\n${shown.join('')}${more}`;
}

async function exportBundles(context: CommandContext, folder: string): Promise<number> {
  const api = context.api();
  const bundles = await listKeptBundles(api);
  const target = join(folder, 'bundles');
  writeBundleList(target, bundles);
  for (const { digest } of bundles) await fetchCode(api, digest, target);
  return bundles.length;
}

function countOf(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}
