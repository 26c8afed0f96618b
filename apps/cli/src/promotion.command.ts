import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import type { ApiClient } from './api-client.ts';
import type { ApprovalView, DifferenceView } from './approval-operations.ts';
import type { CliIo } from './cli-io.ts';
import {
  act,
  assertNotRefused,
  type CommandContext,
  wholeNumber,
  writeOutput,
} from './command-context.ts';
import { describeDifference, describeRequest } from './difference-text.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { OPERATIONS, type PromotionView, type RefusalView } from './operations.ts';
import { type AtOptions, showPromotionAt } from './promotion-at.ts';
import { assertPromotionId, getPromotion, isEnded, noPromotion } from './promotion-reference.ts';
import { type ResetOptions, resetPromotion, resumePromotion } from './promotion-reset.ts';
import { describePromotion } from './promotion-text.ts';
import { watchPromotion } from './promotion-watch.ts';
import { getRelease } from './release.command.ts';

const POLL_MS = 1000;

interface WaitOptions {
  readonly wait?: string;
}

interface RequestOptions extends WaitOptions {
  readonly idempotencyKey?: string;
  readonly watch?: boolean;
}

interface WatchOptions {
  readonly after?: string;
}

interface ShowOptions extends WaitOptions {
  readonly packet?: string;
  readonly trustRoot?: string;
  readonly difference?: boolean;
  readonly full?: boolean;
}

interface CancelOptions extends RequestOptions {
  readonly reason: string;
}

type PromotionAnswer = (PromotionView & { readonly __typename: 'Promotion' }) | RefusalView;

/** Adds `sluice promotion …`. */
export function addPromotionCommands(
  program: Command,
  io: CliIo,
  settle: (exitCode: ExitCode) => void,
): void {
  const key: [string, string] = [
    '--idempotency-key <key>',
    'the same key gives the first answer (default: a new one)',
  ];
  const wait: [string, string] = [
    '--wait <seconds>',
    'wait for its end; status 1 unless it succeeded',
  ];
  const promotion = program
    .command('promotion')
    .description('moves of a release to an environment');
  const request = promotion
    .command('request <release> <environment>')
    .description('promote a release (its digest, or name@version)')
    .option('--watch', 'follow it to its end, live; status 1 unless it succeeded')
    .option(...key)
    .option(...wait);
  act<RequestOptions>(request, io, settle, requestPromotion);
  const show = promotion
    .command('show <promotion>')
    .description('steps, decision with reasons and remedies, approvals, deployments')
    .option('--difference', 'also what it would change: components, packages, findings, targets')
    .option('--full', 'with --difference: every change, not the first twenty of each list')
    .option('--packet <file>', 'write the sealed evidence packet there')
    .option('--trust-root <file>', 'write the trust root there')
    .option(...wait);
  act<ShowOptions>(show, io, settle, showPromotion);
  const watch = promotion
    .command('watch <promotion>')
    .description('follow it to its end, live; status 1 unless it succeeded')
    .option('--after <position>', 'only events behind this position');
  act<WatchOptions>(watch, io, settle, (context, { after }, [id = '']) => {
    assertPromotionId(id);
    if (after !== undefined) assertPosition(after);
    return watchPromotion(context, id, after);
  });
  const cancel = promotion
    .command('cancel <promotion>')
    .description('ask for the end; its targets are put back')
    .requiredOption('--reason <text>', 'shown to everyone')
    .option(...key)
    .option(...wait);
  act<CancelOptions>(cancel, io, settle, cancelPromotion);
  const at = promotion
    .command('at <promotion> <event>')
    .description('state, blockers and decisions as they were at an event of its archived history')
    .option('--run <id>', 'of that run (default: its newest)')
    .option('--key <file>', 'codec keys: read the encrypted history instead of the redacted one')
    .option('--bundle <file>', "workflow code to read it with (default: this checkout's build)")
    .option('--reason <text>', 'why it is read; stands in the event');
  act<AtOptions>(at, io, settle, showPromotionAt);
  const follow: [string, string] = [
    '--watch',
    'follow it to its end; status 1 unless it succeeded',
  ];
  const reset = promotion
    .command('reset <promotion>')
    .description('show what would run again, ask, and begin it again from an event')
    .option('--event <number>', 'from there (default: where it last went on well)')
    .option('--reason <text>', 'shown to everyone')
    .option('--preview', 'only show what would run again')
    .option('--yes', 'do not ask; needed without a terminal, and with --json')
    .option(...follow)
    .option(...key);
  act<ResetOptions>(reset, io, settle, resetPromotion);
  const resume = promotion
    .command('resume <promotion>')
    .description('try at once what failed and waits for its next attempt')
    .option('--reason <text>', 'shown to everyone')
    .option(...follow)
    .option(...key);
  act<ResetOptions>(resume, io, settle, resumePromotion);
}

async function requestPromotion(
  context: CommandContext,
  options: RequestOptions,
  [reference = '', environment = '']: readonly string[],
): Promise<ExitCode> {
  const api = context.api();
  const { id: release } = await getRelease(api, reference);
  const input = { release, environment, idempotencyKey: options.idempotencyKey ?? randomUUID() };
  const answer = await api.run<{ requestPromotion: PromotionAnswer }>(OPERATIONS.requestPromotion, {
    input,
  });
  assertNotRefused(answer.requestPromotion, 'Promotion');
  if (options.watch === true) return watchPromotion(context, answer.requestPromotion.id);
  return printPromotion(
    context,
    await ended(context, api, answer.requestPromotion, options),
    options,
  );
}

async function cancelPromotion(
  context: CommandContext,
  options: CancelOptions,
  [promotion = '']: readonly string[],
): Promise<ExitCode> {
  assertPromotionId(promotion);
  const api = context.api();
  const { reason, idempotencyKey = randomUUID() } = options;
  const input = { promotion, reason, idempotencyKey };
  const answer = await api.run<{ cancelPromotion: PromotionAnswer }>(OPERATIONS.cancelPromotion, {
    input,
  });
  assertNotRefused(answer.cancelPromotion, 'Promotion');
  const after = await ended(context, api, answer.cancelPromotion, options);
  context.print(after, () => describePromotion(after));
  return EXIT_CODES.ok;
}

async function showPromotion(
  context: CommandContext,
  options: ShowOptions,
  [id = '']: readonly string[],
): Promise<ExitCode> {
  assertPromotionId(id);
  const api = context.api();
  const promotion = await ended(context, api, await getPromotion(api, id), options);
  const files: { packet?: string; trustRoot?: string } = {};
  if (options.packet !== undefined) {
    files.packet = writeOutput(options.packet, await getPacket(api, promotion));
  }
  if (options.trustRoot !== undefined) {
    const { trustRoot } = await api.run<{ trustRoot: { document: string } }>(OPERATIONS.trustRoot);
    files.trustRoot = writeOutput(options.trustRoot, trustRoot.document);
  }
  if (options.difference !== true) return printPromotion(context, promotion, options, files);
  const { approval, difference } = await getDifference(api, id);
  context.print({ ...promotion, files, approval, difference }, () =>
    [
      approval === null ? describePromotion(promotion) : describeRequest(approval),
      difference === null ? '\nIt has no plan yet.\n' : '',
      difference === null ? '' : describeDifference(difference, options.full === true),
      approval === null
        ? ''
        : `\nrelease  ${approval.releaseDigest}\nplan     ${approval.planDigest}\n`,
    ].join(''),
  );
  return EXIT_CODES.ok;
}

async function getDifference(api: ApiClient, id: string) {
  const { promotion } = await api.run<{
    promotion: { approval: ApprovalView | null; difference: DifferenceView | null } | null;
  }>(OPERATIONS.promotionDifference, { id });
  if (promotion === null) throw noPromotion(id);
  return promotion;
}

function assertPosition(after: string): void {
  if (/^\d{1,15}$/.test(after)) return;
  const message = `--after is "${after}", which is no position.`;
  const next = 'Write the position of an event, as --json shows it.';
  throw new CliError(EXIT_CODES.usage, 'option-invalid', message, next);
}

async function getPacket(api: ApiClient, { id, state }: PromotionView): Promise<string> {
  const { promotion } = await api.run<{
    promotion: { packet: { document: string } | null } | null;
  }>(OPERATIONS.promotionPacket, { id });
  if (promotion?.packet) return promotion.packet.document;
  const message = `Promotion ${id} is ${state.toLowerCase()} and has no packet yet.`;
  const next = 'It is sealed at its end: ask again with --wait 300.';
  throw new CliError(EXIT_CODES.failed, 'packet-missing', message, next);
}

/** Waits for the end and the seal, where --wait is given. */
async function ended(
  { io }: CommandContext,
  api: ApiClient,
  first: PromotionView,
  options: WaitOptions,
): Promise<PromotionView> {
  if (options.wait === undefined) return first;
  const deadline = io.now() + wholeNumber(options.wait, '--wait', 1, 7 * 24 * 3600) * 1000;
  let promotion = first;
  let shown = '';
  while (!isEnded(promotion)) {
    const active = promotion.steps.find(({ state }) => state === 'RUNNING' || state === 'WAITING');
    const line = `${promotion.id}: ${promotion.state.toLowerCase()}${active ? `, ${active.id}` : ''}`;
    if (line !== shown) io.err(`${line} …\n`);
    shown = line;
    if (io.now() >= deadline) {
      const message = `Promotion ${promotion.id} has not ended within ${options.wait} s.`;
      const next = `Look again: sluice promotion show ${promotion.id}.`;
      throw new CliError(EXIT_CODES.failed, 'wait-over', message, next);
    }
    await io.sleep(POLL_MS);
    promotion = await getPromotion(api, promotion.id);
  }
  return promotion;
}

function printPromotion(
  context: CommandContext,
  promotion: PromotionView,
  { wait }: WaitOptions,
  files: { readonly packet?: string; readonly trustRoot?: string } = {},
): ExitCode {
  context.print({ ...promotion, files }, () => {
    const lines = Object.entries(files).map(([name, path]) => `${name} written to ${path}\n`);
    return describePromotion(promotion) + lines.join('');
  });
  const isGood = wait === undefined || promotion.state === 'SUCCEEDED';
  return isGood ? EXIT_CODES.ok : EXIT_CODES.failed;
}
