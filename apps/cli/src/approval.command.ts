import type { Command } from 'commander';
import type { ApprovalView } from './approval-operations.ts';
import type { CliIo } from './cli-io.ts';
import { act, type CommandContext, wholeNumber } from './command-context.ts';
import { decideApproval } from './decide-approval.ts';
import { releaseName } from './difference-text.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { OPERATIONS } from './operations.ts';
import { minuteOf } from './progress-text.ts';
import { table, wrapped } from './text-layout.ts';

interface ListOptions {
  readonly all?: boolean;
  readonly first: string;
  readonly after?: string;
}

interface ApproveOptions {
  readonly comment?: string;
  readonly plan?: string;
  readonly yes?: boolean;
  readonly full?: boolean;
  readonly idempotencyKey?: string;
}

interface RejectOptions {
  readonly comment: string;
  readonly plan?: string;
  readonly idempotencyKey?: string;
}

/** Adds `sluice approvals`, `sluice approve` and `sluice reject`. */
export function addApprovalCommands(
  program: Command,
  io: CliIo,
  settle: (exitCode: ExitCode) => void,
): void {
  const key: [string, string] = [
    '--idempotency-key <key>',
    'the same key gives the first answer and counts once (default: a new one)',
  ];
  const plan: [string, string] = ['--plan <digest>', 'the plan digest that you looked at'];
  const approvals = program
    .command('approvals')
    .description('promotions that wait for your decision, oldest first')
    .option('--all', "everybody's, with why you cannot decide")
    .option('--first <count>', 'how many, at most 100', '20')
    .option('--after <cursor>', 'go on after a page');
  act<ListOptions>(approvals, io, settle, listApprovals);
  const approve = program
    .command('approve <promotion>')
    .description('show what would change, ask, and approve exactly that')
    .option('--comment <text>', 'shown to everyone and sealed')
    .option('--yes', 'do not ask; needed, together with --plan, without a terminal and with --json')
    .option(...plan)
    .option('--full', 'show every change, not the first twenty of each list')
    .option(...key);
  act<ApproveOptions>(approve, io, settle, (context, options, [id = '']) =>
    decideApproval(context, id, { ...options, decision: 'APPROVE' }),
  );
  const reject = program
    .command('reject <promotion>')
    .description('reject it: the promotion ends, denied')
    .requiredOption('--comment <text>', 'why; shown to everyone and sealed')
    .option(...plan)
    .option(...key);
  act<RejectOptions>(reject, io, settle, (context, options, [id = '']) =>
    decideApproval(context, id, { ...options, decision: 'REJECT' }),
  );
}

async function listApprovals(context: CommandContext, options: ListOptions): Promise<ExitCode> {
  const all = options.all ?? false;
  const first = wholeNumber(options.first, '--first', 1, 100);
  const { approvals } = await context.api().run<{
    approvals: {
      edges: { node: ApprovalView }[];
      pageInfo: { hasNextPage: boolean; endCursor: string | null };
      position: string;
    };
  }>(OPERATIONS.approvals, { first, after: options.after, all });
  const list = approvals.edges.map(({ node }) => node);
  const { hasNextPage, endCursor } = approvals.pageInfo;
  const next = hasNextPage ? endCursor : null;
  context.print({ approvals: list, next, position: approvals.position }, () => {
    if (list.length === 0) return describeNone(all);
    const more = hasNextPage ? `More: --after ${endCursor}\n` : '';
    return describeInbox(list) + more + describeNext(list);
  });
  return EXIT_CODES.ok;
}

function describeInbox(list: readonly ApprovalView[]): string {
  const rows = list.map(({ promotion, openedAt, deadline }) => [
    promotion.id,
    releaseName(promotion.release),
    promotion.environment.name,
    promotion.requestedBy,
    minuteOf(openedAt).slice(5),
    minuteOf(deadline).slice(5),
  ]);
  return table(
    [
      { title: 'PROMOTION' },
      { title: 'RELEASE', shrinks: true },
      { title: 'ENVIRONMENT', shrinks: true },
      { title: 'BY', shrinks: true },
      { title: 'SINCE (UTC)' },
      { title: 'UNTIL (UTC)' },
    ],
    rows,
  );
}

/** One command for each that can be decided, and why for each that cannot. */
function describeNext(list: readonly ApprovalView[]): string {
  const blocked = list.filter(({ blockedForMe }) => blockedForMe !== null);
  const open = list.filter(({ blockedForMe }) => blockedForMe === null);
  return [
    ...(blocked.length > 0 ? ['\nNot yours to decide:\n'] : []),
    ...blocked.map(({ promotion, blockedForMe }) =>
      wrapped(`  ${promotion.id}  ${blockedForMe?.code}: ${blockedForMe?.message}`, 4),
    ),
    ...(open.length > 0 ? ['\nLook at one and decide:\n'] : []),
    ...open.map(({ promotion }) => `  sluice approve ${promotion.id}\n`),
  ].join('');
}

function describeNone(all: boolean): string {
  return all
    ? 'No promotion waits for an approval.\n'
    : "No promotion waits for your decision. Everybody's: sluice approvals --all\n";
}
