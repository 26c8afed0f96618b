import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import type { ApiClient } from './api-client.ts';
import type { CliIo } from './cli-io.ts';
import { act, assertNotRefused, type CommandContext, wholeNumber } from './command-context.ts';
import { canAsk, confirm } from './confirmation.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import type { DiscrepancyView, ReconciliationView } from './history-operations.ts';
import { OPERATIONS, type RefusalView } from './operations.ts';
import { minuteOf } from './progress-text.ts';
import { wrapped } from './text-layout.ts';

const POLL_MS = 1000;

interface ReconcileOptions {
  readonly yes?: boolean;
  readonly wait: string;
  readonly idempotencyKey?: string;
}

/** Adds `sluice admin …`. */
export function addAdminCommands(
  program: Command,
  io: CliIo,
  settle: (exitCode: ExitCode) => void,
): void {
  const admin = program.command('admin').description('for who runs the control plane');
  const reconcile = admin
    .command('reconcile')
    .description(
      'where workflows, records, agents and archive disagree; then repair it; status 1 while any do',
    )
    .option('--yes', 'repair without asking; without a terminal it only shows')
    .option('--wait <seconds>', 'how long to wait for the repairs', '60')
    .option('--idempotency-key <key>', 'the same key gives the first answer (default: a new one)');
  act<ReconcileOptions>(reconcile, io, settle, reconcileEstate);
}

async function reconcileEstate(
  context: CommandContext,
  options: ReconcileOptions,
): Promise<ExitCode> {
  const seconds = wholeNumber(options.wait, '--wait', 0, 3600);
  const api = context.api();
  const before = await getReconciliation(api);
  const repairable = before.discrepancies.filter((found) => found.repairable);
  const isText = context.options.json !== true;
  if (isText) context.io.out(describeFound(before, context.io.now()));
  const isAsked = repairable.length > 0 && (options.yes === true || canAsk(context));
  if (!isAsked) {
    if (isText && repairable.length > 0) context.io.out('\nRepair them: add --yes.\n');
    return conclude(context, before, [], before);
  }
  if (options.yes !== true) {
    await confirm(context, `\nRepair ${countOf(repairable.length)} now?`);
  }
  const ids = repairable.map(({ id }) => id);
  const input = { discrepancies: ids, idempotencyKey: options.idempotencyKey ?? randomUUID() };
  const { reconcile: answer } = await api.run<{ reconcile: ReconciliationView | RefusalView }>(
    OPERATIONS.reconcile,
    { input },
  );
  assertNotRefused<ReconciliationView>(answer, 'Reconciliation');
  const after = await untilRepaired(context, api, answer, ids, seconds);
  if (isText) context.io.out(describeRemaining(after, ids));
  return conclude(context, before, ids, after);
}

function conclude(
  { io, options }: CommandContext,
  before: ReconciliationView,
  asked: readonly string[],
  after: ReconciliationView,
): ExitCode {
  const document = {
    lookedAt: after.lookedAt,
    found: before.discrepancies,
    asked,
    remaining: after.discrepancies,
  };
  if (options.json === true) io.out(`${JSON.stringify(document, null, 2)}\n`);
  return after.discrepancies.length === 0 ? EXIT_CODES.ok : EXIT_CODES.failed;
}

async function getReconciliation(api: ApiClient): Promise<ReconciliationView> {
  const { reconciliation } = await api.run<{ reconciliation: ReconciliationView }>(
    OPERATIONS.reconciliation,
  );
  return reconciliation;
}

/** Looks until each one that was asked for is gone, or says why its repair failed after it was asked for. */
async function untilRepaired(
  { io }: CommandContext,
  api: ApiClient,
  first: ReconciliationView,
  ids: readonly string[],
  seconds: number,
): Promise<ReconciliationView> {
  const deadline = io.now() + seconds * 1000;
  // What an earlier repair said does not end the wait for this one.
  const old = new Map(first.discrepancies.map(({ id, repairError }) => [id, repairError]));
  let now = first;
  const isPending = ({ id, repairError }: DiscrepancyView): boolean =>
    ids.includes(id) && (repairError === null || repairError === old.get(id));
  while (now.discrepancies.some(isPending) && io.now() < deadline) {
    await io.sleep(POLL_MS);
    now = await getReconciliation(api);
  }
  return now;
}

function describeFound({ lookedAt, discrepancies }: ReconciliationView, now: number): string {
  const looked =
    lookedAt === null
      ? 'The watchdog has not looked yet: ask again in a minute.'
      : `The watchdog looked ${ago(now - Date.parse(lookedAt))}.`;
  if (discrepancies.length === 0) {
    return lookedAt === null ? `${looked}\n` : wrapped(`Nothing disagrees. ${looked}`, 2);
  }
  const groups: readonly [string, readonly DiscrepancyView[]][] = [
    ['Mended by the watchdog itself', discrepancies.filter(({ action }) => action === 'REPAIR')],
    [
      'Mended when you ask for it',
      discrepancies.filter(({ action, repairable }) => action === 'RAISE' && repairable),
    ],
    [
      'For people',
      discrepancies.filter(({ action, repairable }) => action === 'RAISE' && !repairable),
    ],
  ];
  return [
    wrapped(`${countOf(discrepancies.length)}. ${looked}`, 2),
    ...groups
      .filter(([, list]) => list.length > 0)
      .map(([title, list]) => `\n${title}:\n${list.map(describeOne).join('')}`),
  ].join('');
}

function describeOne(found: DiscrepancyView): string {
  const { code, subject, message, remedy, firstSeenAt, repairError, action, repairable } = found;
  const would = action === 'REPAIR' || repairable ? 'repair' : 'to do';
  return [
    wrapped(`  ${subject}  ${code} since ${minuteOf(firstSeenAt)} UTC`, 4),
    wrapped(`    ${message}`, 4),
    wrapped(`    ${would}: ${remedy}`, 6),
    repairError === null ? '' : wrapped(`    the last repair failed: ${repairError}`, 6),
  ].join('');
}

function describeRemaining({ discrepancies }: ReconciliationView, ids: readonly string[]): string {
  const left = new Set(discrepancies.map(({ id }) => id));
  const gone = ids.filter((id) => !left.has(id)).length;
  const lines = discrepancies.map(({ id, code, subject, repairError }) => {
    const why = repairError ?? (ids.includes(id) ? 'not repaired yet' : 'for people');
    return wrapped(`  ${subject}  ${code}: ${why}`, 4);
  });
  const remain = lines.length === 0 ? 'Nothing remains.\n' : `Remaining:\n${lines.join('')}`;
  return `\n${gone} of ${ids.length} repaired. ${remain}`;
}

function ago(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 90) return `${seconds} s ago`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min ago` : `${Math.round(minutes / 60)} h ago`;
}

function countOf(count: number): string {
  return count === 1 ? '1 discrepancy' : `${count} discrepancies`;
}
