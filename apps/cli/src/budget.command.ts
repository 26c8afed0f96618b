import type { Command } from 'commander';
import type { CliIo } from './cli-io.ts';
import { act, type CommandContext } from './command-context.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { OPERATIONS } from './operations.ts';
import type { BudgetView } from './release-watch-operations.ts';
import { table, wrapped } from './text-layout.ts';

/** Holders of a budget that are named. */
const MAX_HOLDERS = 12;

/** Adds `sluice budget …`. */
export function addBudgetCommands(
  program: Command,
  io: CliIo,
  settle: (exitCode: ExitCode) => void,
): void {
  const budget = program
    .command('budget')
    .description('how many targets may be unavailable at a time, over all promotions');
  const list = budget.command('list').description('disruption budgets, and who holds them now');
  act(list, io, settle, listBudgets);
}

async function listBudgets(context: CommandContext): Promise<ExitCode> {
  const { budgets } = await context.api().run<{ budgets: BudgetView[] }>(OPERATIONS.budgets);
  context.print({ budgets }, () =>
    budgets.length === 0
      ? 'No disruption budgets yet: declare one under `budgets:` in the API configuration.\n'
      : describeBudgets(budgets),
  );
  return EXIT_CODES.ok;
}

function describeBudgets(budgets: readonly BudgetView[]): string {
  const rows = budgets.map((budget) => [
    budget.name,
    labelsText(budget.selector),
    maxText(budget),
    String(budget.limit),
    String(budget.matching),
    String(budget.unavailable),
  ]);
  const columns = [
    { title: 'BUDGET', shrinks: true },
    { title: 'LABELS', shrinks: true },
    { title: 'MAX' },
    { title: 'LIMIT' },
    { title: 'MATCHING' },
    { title: 'UNAVAILABLE' },
  ];
  return table(columns, rows) + budgets.map(describeUse).join('');
}

function describeUse({ name, limit, unavailable, holders }: BudgetView): string {
  const lines: string[] = [];
  if (limit === 0) {
    lines.push(wrapped(`${name}: nothing can be deployed to its targets; raise it.`, 2));
  }
  if (holders.length > 0) {
    const shown = holders
      .slice(0, MAX_HOLDERS)
      .map(({ target, promotion }) =>
        promotion === null ? `${target} offline` : `${target} by ${promotion}`,
      );
    const more = unavailable - shown.length;
    const tail = more > 0 ? ` and ${more} more` : '';
    lines.push(wrapped(`${name}: ${shown.join(', ')}${tail}`, 2));
  }
  return lines.length === 0 ? '' : `\n${lines.join('')}`;
}

function labelsText(selector: BudgetView['selector']): string {
  const labels = Object.entries(selector).map(([label, value]) => `${label}=${value}`);
  return labels.length === 0 ? 'every target' : labels.sort().join(',');
}

function maxText({ maxUnavailable, maxUnavailablePercent }: BudgetView): string {
  return maxUnavailable === null ? `${maxUnavailablePercent ?? 0} %` : String(maxUnavailable);
}
