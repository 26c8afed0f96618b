import type { Command } from 'commander';
import type { CliIo } from './cli-io.ts';
import { act, type CommandContext } from './command-context.ts';
import { releaseName } from './difference-text.ts';
import type { QueueView } from './environment-operations.ts';
import { noEnvironment } from './environment-reference.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { OPERATIONS } from './operations.ts';
import { minuteOf } from './progress-text.ts';
import { wrapped } from './text-layout.ts';

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
  const environments = await listQueues(context, name);
  context.print({ environments }, () =>
    environments.length === 0
      ? 'No environments yet: declare one in the API configuration.\n'
      : environments.map(describeQueue).join('\n'),
  );
  return EXIT_CODES.ok;
}

async function listQueues(
  context: CommandContext,
  name: string | undefined,
): Promise<readonly QueueView[]> {
  const api = context.api();
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

function describeQueue({ name, lease }: QueueView): string {
  const parts: string[] = [];
  if (lease === null || lease.holder === null) {
    parts.push(`${name}  free\n`);
  } else {
    const since = lease.acquiredAt === null ? '' : ` since ${minuteOf(lease.acquiredAt)} UTC`;
    const token = `fencing token ${lease.fencingToken}`;
    parts.push(wrapped(`${name}  held by ${lease.holder}${since}, ${token}`, 2));
  }
  const queue = lease?.queue ?? [];
  if (queue.length === 0) parts.push('  nobody waits\n');
  for (const { position, ready, enqueuedAt, reason, promotion } of queue) {
    const what = `${promotion.id}  ${releaseName(promotion.release)} by ${promotion.requestedBy}`;
    const state = `${ready ? 'ready' : 'not ready'}, in line since ${minuteOf(enqueuedAt).slice(5)} UTC`;
    parts.push(wrapped(`  ${position}. ${what}, ${state}`, 5));
    parts.push(wrapped(`     ${reason.code}: ${reason.message}`, 7));
  }
  return parts.join('');
}
