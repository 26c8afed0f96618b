import type { Command } from 'commander';
import type { ApiClient } from './api-client.ts';
import type { CliIo } from './cli-io.ts';
import { act, type CommandContext } from './command-context.ts';
import { releaseName } from './difference-text.ts';
import type { QueueView } from './environment-operations.ts';
import { noEnvironment } from './environment-reference.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import type { ProblemView } from './history-operations.ts';
import { OPERATIONS } from './operations.ts';
import { describeProblem, problemLine } from './problem-text.ts';
import { minuteOf } from './progress-text.ts';
import { wrapped } from './text-layout.ts';

interface HolderProblem {
  readonly problem: ProblemView | null;
}

/** Adds `sluice queue`. */
export function addQueueCommand(
  program: Command,
  io: CliIo,
  settle: (exitCode: ExitCode) => void,
): void {
  const queue = program
    .command('queue [environment]')
    .description('who may have effects in an environment, who waits, and why');
  act(queue, io, settle, showQueues);
}

async function showQueues(
  context: CommandContext,
  _: unknown,
  [name]: readonly string[],
): Promise<ExitCode> {
  const api = context.api();
  const queues = await listQueues(api, name);
  const environments = await Promise.all(
    queues.map(async (queue) => ({ ...queue, problem: await findHolderProblem(api, queue) })),
  );
  context.print({ environments }, () =>
    environments.length === 0
      ? 'No environments yet: declare one in the API configuration.\n'
      : environments.map(describeQueue).join('\n'),
  );
  return EXIT_CODES.ok;
}

/** Why the holder does not go on, which is why everybody behind it waits. */
async function findHolderProblem(
  api: ApiClient,
  { lease }: QueueView,
): Promise<ProblemView | null> {
  if (lease === null || lease.holder === null) return null;
  const { promotion } = await api.run<{ promotion: { problem: ProblemView | null } | null }>(
    OPERATIONS.promotionProblem,
    { id: lease.holder },
  );
  return promotion?.problem ?? null;
}

async function listQueues(api: ApiClient, name: string | undefined): Promise<readonly QueueView[]> {
  if (name === undefined) {
    const { environments } = await api.run<{ environments: QueueView[] }>(OPERATIONS.queues);
    return environments;
  }
  const { environment } = await api.run<{ environment: QueueView | null }>(OPERATIONS.queue, {
    name,
  });
  if (environment === null) throw noEnvironment(name);
  return [environment];
}

function describeQueue({ name, lease, problem }: QueueView & HolderProblem): string {
  const parts: string[] = [];
  if (lease === null || lease.holder === null) {
    parts.push(`${name}  free\n`);
  } else {
    const since = lease.acquiredAt === null ? '' : ` since ${minuteOf(lease.acquiredAt)} UTC`;
    const token = `fencing token ${lease.fencingToken}`;
    parts.push(wrapped(`${name}  held by ${lease.holder}${since}, ${token}`, 2));
    if (problem !== null) parts.push(describeProblem(lease.holder, problem, 2));
  }
  const queue = lease?.queue ?? [];
  if (queue.length === 0) parts.push('  nobody waits\n');
  for (const { position, ready, enqueuedAt, reason, promotion } of queue) {
    const what = `${promotion.id}  ${releaseName(promotion.release)} by ${promotion.requestedBy}`;
    const state = `${ready ? 'ready' : 'not ready'}, in line since ${minuteOf(enqueuedAt).slice(5)} UTC`;
    parts.push(wrapped(`  ${position}. ${what}, ${state}`, 5));
    parts.push(wrapped(`     ${reason.code}: ${reason.message}`, 7));
    if (promotion.problem !== null) {
      const more = `See sluice promotion show ${promotion.id}.`;
      parts.push(wrapped(`     ${problemLine(promotion.problem)} ${more}`, 7));
    }
  }
  return parts.join('');
}
