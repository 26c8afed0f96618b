import { printable } from '@sluice/pure';
import type { CommandContext } from './command-context.ts';
import { wholeNumber } from './command-context.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { saveHistories } from './history-export.ts';
import { withPrivateFolder } from './private-folder.ts';
import { assertPromotionId } from './promotion-reference.ts';
import { exitCodeOf, newestRun, runReplayTool } from './replay-tool.ts';

const MAX_EVENT = 999_999;

/** Which run, and how it is read. */
export interface AtOptions {
  readonly key?: string;
  readonly bundle?: string;
  readonly run?: string;
  readonly reason?: string;
}

/** Shows state, blockers and decisions of a promotion as they were at an event of its history. */
export async function showPromotionAt(
  context: CommandContext,
  options: AtOptions,
  [id = '', number = '']: readonly string[],
): Promise<ExitCode> {
  assertPromotionId(id);
  const event = wholeNumber(number, 'The event', 1, MAX_EVENT);
  return withPrivateFolder(async (folder) => {
    const form = options.key === undefined ? 'REDACTED' : 'ENCRYPTED';
    const { reason = 'Looked at with sluice promotion at.' } = options;
    const saved = await saveHistories(context.api(), id, { form, reason, folder });
    const { run } = options;
    const chosen = run === undefined ? newestRun(saved) : saved.find(({ runId }) => runId === run);
    if (chosen === undefined) {
      const message = `Promotion ${id} has no run ${run}.`;
      throw new CliError(EXIT_CODES.failed, 'run-not-found', message, runsOf(id));
    }
    if (run === undefined && saved.length > 1) {
      context.io.err(`${printable(`Run ${chosen.runId}, of ${saved.length}: ${runsOf(id)}`)}\n`);
    }
    const args = ['at', '--input', chosen.file, '--event', String(event)];
    if (options.key !== undefined) args.push('--key', options.key);
    if (options.bundle !== undefined) args.push('--bundle', options.bundle);
    args.push('--format', context.options.json === true ? 'json' : 'text');
    return exitCodeOf(await runReplayTool(context.io, 'main.js', { args }));
  });
}

function runsOf(id: string): string {
  return `sluice history list ${id} shows them; --run names one.`;
}
