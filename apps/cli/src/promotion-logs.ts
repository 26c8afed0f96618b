import { isName } from '@sluice/domain';
import type { Command } from 'commander';
import type { ApiClient } from './api-client.ts';
import type { CliIo } from './cli-io.ts';
import { act, type CommandContext, wholeNumber } from './command-context.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { followLog } from './follow-log.ts';
import type { LogPageView, LogSearchView, StepLogView } from './log-operations.ts';
import { headOf, type LogWriter, openLogWriter } from './log-text.ts';
import { OPERATIONS } from './operations.ts';
import { assertPromotionId, getPromotion } from './promotion-reference.ts';
import { table } from './text-layout.ts';

/** Options of `sluice promotion logs`. */
export interface LogsOptions {
  readonly member?: string;
  readonly attempt?: string;
  readonly undo?: boolean;
  readonly follow?: boolean;
  readonly after?: string;
  readonly search?: string;
  readonly first: string;
}

const HELP = `
Without a step: which logs there are. What a step writes is shown without the
characters that steer a terminal. --json gives JSON Lines while following.`;

/** Adds `sluice promotion logs`. */
export function addLogsCommand(
  promotion: Command,
  io: CliIo,
  settle: (exitCode: ExitCode) => void,
): void {
  const logs = promotion
    .command('logs <promotion> [step]')
    .description('what its steps wrote: one log, all that there are, or lines with a text')
    .option('--member <key>', 'of a step that runs for several: the target, or the number')
    .option('--attempt <number>', 'that attempt (default: the newest)')
    .option('--undo', 'what putting it back wrote')
    .option('--follow', 'everything from the beginning, and what comes, until the step has ended')
    .option('--after <position>', 'with --follow: only what is behind this position')
    .option('--search <text>', 'the lines of all logs, or of those of the step, with this text')
    .option('--first <number>', 'logs that are listed', '100')
    .addHelpText('after', HELP);
  act<LogsOptions>(logs, io, settle, showLogs);
}

async function showLogs(
  context: CommandContext,
  options: LogsOptions,
  [promotion = '', step]: readonly string[],
): Promise<ExitCode> {
  assertPromotionId(promotion);
  assertFits(options, step);
  const api = context.api();
  if (options.search !== undefined) {
    return search(context, api, { promotion, step: step ?? null, text: options.search });
  }
  if (step === undefined) return list(context, api, options, promotion);
  const { member = null } = options;
  if (options.follow === true) {
    return followLog(context, api, { promotion, step, member }, options.after);
  }
  return print(context, api, options, { promotion, step, member });
}

function assertFits(
  { member, attempt, undo, follow, after, search }: LogsOptions,
  step?: string,
): void {
  const refuse = (message: string, next: string): never => {
    throw new CliError(EXIT_CODES.usage, 'option-invalid', message, next);
  };
  if (step !== undefined && !isName(step))
    refuse(`"${step}" names no step.`, 'See sluice promotion steps.');
  const ofOne = member ?? attempt ?? undo ?? follow;
  if (step === undefined && ofOne !== undefined) {
    refuse(
      'Only with a step can one log be named or followed.',
      'Name the step behind the promotion.',
    );
  }
  if (search !== undefined && ofOne !== undefined) {
    refuse('--search looks through all logs.', 'Leave the other options out.');
  }
  if (follow === true && (attempt !== undefined || undo === true)) {
    refuse('--follow shows every attempt.', 'Leave --attempt and --undo out.');
  }
  if (after !== undefined && follow !== true)
    refuse('--after goes with --follow.', 'Add --follow.');
}

async function list(
  context: CommandContext,
  api: ApiClient,
  options: LogsOptions,
  promotion: string,
): Promise<ExitCode> {
  const first = wholeNumber(options.first, '--first', 1, 100);
  const found = await listLogs(api, { promotion, step: null, first });
  // Says so when there is no such promotion.
  if (found.logs.length === 0) await getPromotion(api, promotion);
  context.print({ logs: found.logs, complete: found.complete }, () =>
    found.logs.length === 0
      ? 'Nothing was written: no step has run that writes a log.\n'
      : logTable(found.logs) + (found.complete ? '' : 'There are more: name a step.\n'),
  );
  return EXIT_CODES.ok;
}

async function listLogs(
  api: ApiClient,
  variables: { readonly promotion: string; readonly step: string | null; readonly first: number },
) {
  const { stepLogs } = await api.run<{
    stepLogs: { edges: { node: StepLogView }[]; pageInfo: { hasNextPage: boolean } };
  }>(OPERATIONS.stepLogs, variables);
  return {
    logs: stepLogs.edges.map(({ node }) => node),
    complete: !stepLogs.pageInfo.hasNextPage,
  };
}

function logTable(logs: readonly StepLogView[]): string {
  const rows = logs.map((log) => [
    log.step,
    log.member ?? '',
    `${log.purpose === 'RUN' ? '' : 'undo '}${log.attempt}${log.round > 1 ? ` (round ${log.round})` : ''}`,
    log.bytes === null ? 'being written' : String(log.bytes),
    log.droppedBytes > 0 ? `${log.droppedBytes} left out` : '',
    log.startedAt.slice(0, 19),
  ]);
  const columns = [{ title: 'STEP' }, { title: 'MEMBER', shrinks: true }, { title: 'ATTEMPT' }];
  return table([...columns, { title: 'BYTES' }, { title: '' }, { title: 'BEGAN' }], rows);
}

async function print(
  context: CommandContext,
  api: ApiClient,
  options: LogsOptions,
  scope: { readonly promotion: string; readonly step: string; readonly member: string | null },
): Promise<ExitCode> {
  const attempt =
    options.attempt === undefined
      ? null
      : wholeNumber(options.attempt, '--attempt', 1, 999_999_999);
  const purpose = options.undo === true ? 'COMPENSATE' : 'RUN';
  let page = await readPage(api, { ...scope, purpose, attempt, round: null, offset: 0 });
  if (page === null) return noLog(context, api, scope);
  const writer: LogWriter | undefined =
    context.options.json === true ? undefined : openLogWriter(context.io);
  const texts: string[] = [];
  const { log } = page;
  for (;;) {
    if (writer === undefined) texts.push(page.text);
    else writer.write(page.text);
    // One that is being written is shown as far as it is; --follow waits for more.
    if (page.isEnd || page.nextOffset === page.offset) break;
    const next: LogPageView | null = await readPage(api, {
      ...scope,
      purpose,
      attempt: log.attempt,
      round: log.round,
      offset: page.nextOffset,
    });
    if (next === null) break;
    page = next;
  }
  writer?.end();
  if (writer === undefined) context.print({ log: page.log, text: texts.join('') }, () => '');
  else if (page.log.droppedBytes > 0) {
    context.io.err(`${headOf(page.log)}: ${page.log.droppedBytes} bytes more were left out.\n`);
  }
  return EXIT_CODES.ok;
}

async function readPage(
  api: ApiClient,
  variables: Readonly<Record<string, unknown>>,
): Promise<LogPageView | null> {
  const { stepLog } = await api.run<{ stepLog: LogPageView | null }>(OPERATIONS.stepLog, variables);
  return stepLog;
}

/** Says which logs of the step there are instead. */
async function noLog(
  context: CommandContext,
  api: ApiClient,
  { promotion, step, member }: { promotion: string; step: string; member: string | null },
): Promise<ExitCode> {
  const { steps } = await getPromotion(api, promotion);
  if (steps.length > 0 && !steps.some(({ id }) => id === step)) {
    const next = `It has ${steps.map(({ id }) => id).join(', ')}.`;
    throw new CliError(
      EXIT_CODES.failed,
      'step-not-found',
      `${promotion} has no step ${step}.`,
      next,
    );
  }
  const { logs } = await listLogs(api, { promotion, step, first: 100 });
  const names = [...new Set(logs.map((log) => log.member).filter((key) => key !== null))];
  if (member === null && names.length > 0) {
    const shown = names.slice(0, 10).join(', ');
    const more = names.length > 10 ? `, and ${names.length - 10} more` : '';
    const next = `Name one with --member: ${shown}${more}.`;
    throw new CliError(
      EXIT_CODES.failed,
      'member-needed',
      `${step} ran for several members.`,
      next,
    );
  }
  const message = `${step} of ${promotion} has no such log: nothing was written.`;
  const next = `See sluice promotion logs ${promotion}.`;
  if (logs.length === 0 && context.options.json !== true) {
    context.io.err(`${message}\n`);
    return EXIT_CODES.ok;
  }
  throw new CliError(EXIT_CODES.failed, 'log-not-found', message, next);
}

async function search(
  context: CommandContext,
  api: ApiClient,
  variables: { readonly promotion: string; readonly step: string | null; readonly text: string },
): Promise<ExitCode> {
  const { searchStepLogs: found } = await api.run<{ searchStepLogs: LogSearchView }>(
    OPERATIONS.searchStepLogs,
    variables,
  );
  if (context.options.json === true) context.print(found, () => '');
  else {
    const writer = openLogWriter(context.io);
    for (const { log, line, text } of found.matches) {
      writer.write(`${headOf(log)}:${line}: ${text}\n`);
    }
    if (!found.complete)
      context.io.err('There is more than one search looks through: name a step.\n');
  }
  // As grep says it.
  return found.matches.length > 0 ? EXIT_CODES.ok : EXIT_CODES.failed;
}
