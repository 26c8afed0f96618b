import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import type { ApiClient } from './api-client.ts';
import type { ApprovalView, DifferenceView } from './approval-operations.ts';
import type { CliIo } from './cli-io.ts';
import { act, assertNotRefused, type CommandContext, writeOutput } from './command-context.ts';
import { describeDifference, describeRequest } from './difference-text.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { OPERATIONS, type PromotionView, type RefusalView } from './operations.ts';
import { type PromoteOptions, promoteRelease, promoting } from './promote.command.ts';
import { type AtOptions, showPromotionAt } from './promotion-at.ts';
import { addLogsCommand } from './promotion-logs.ts';
import { addOutputsCommand } from './promotion-outputs.ts';
import { assertPromotionId, getPromotion, noPromotion } from './promotion-reference.ts';
import {
  ended,
  printPromotion,
  type RequestOptions,
  type WaitOptions,
} from './promotion-request.ts';
import { type ResetOptions, resetPromotion, resumePromotion } from './promotion-reset.ts';
import { describePromotion } from './promotion-text.ts';
import { watchPromotion } from './promotion-watch.ts';
import { describeCompensation, describeSteps } from './step-text.ts';

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
  const request = promoting(promotion.command('request <release> <environment>'))
    .description('promote a release (its digest, or name@version); see also sluice promote')
    .option('--dry', 'only show what would happen to which targets')
    .option('--watch', 'follow it to its end, live; status 1 unless it succeeded')
    .option(...key)
    .option(...wait);
  act<PromoteOptions>(request, io, settle, (context, options, [release, environment = '']) =>
    promoteRelease(context, options, environment, release),
  );
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
  addLogsCommand(promotion, io, settle);
  addOutputsCommand(promotion, io, settle);
  const steps = promotion
    .command('steps <promotion>')
    .description('each step with its members, why it was skipped, and what was put back');
  act(steps, io, settle, async (context, _options, [id = '']) => {
    assertPromotionId(id);
    const shown = await getPromotion(context.api(), id);
    context.print(
      { id, state: shown.state, steps: shown.steps, compensation: shown.compensation },
      () => describeSteps(shown) + describeCompensation(shown),
    );
    return EXIT_CODES.ok;
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
