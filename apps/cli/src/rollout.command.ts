import type { Command } from 'commander';
import type { CliIo } from './cli-io.ts';
import { act, type CommandContext } from './command-context.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { assertPromotionId } from './promotion-reference.ts';
import { getRollouts } from './rollout-reference.ts';
import { type SteerOptions, steerRollout } from './rollout-steer.ts';
import { cutLines, describeRollouts } from './rollout-text.ts';
import { watchRollouts } from './rollout-watch.ts';

interface ShowOptions {
  readonly step?: string;
  readonly watch?: boolean;
}

const ACTIONS = [
  ['pause', 'nothing new begins; what is under way ends, requests stay where they are'],
  ['resume', 'go on with what is paused'],
  ['skip', "the rest of this stage's watching"],
  ['abort', 'put it back: requests first, then targets, last exposed first'],
  ['promote', 'everything that is left, at once and unwatched'],
] as const;

/** Adds `sluice rollout …`. */
export function addRolloutCommands(
  program: Command,
  io: CliIo,
  settle: (exitCode: ExitCode) => void,
): void {
  const rollout = program
    .command('rollout')
    .description('how releases reach targets in stages, and who steers that');
  const show = rollout
    .command('show <promotion>')
    .description('stages with their exposure, what moved requests, verdicts, and who did what')
    .option('--step <name>', 'the rollout of this step alone')
    .option('--watch', 'follow it to its end; status 1 unless all of it completed');
  act<ShowOptions>(show, io, settle, showRollouts);
  for (const [action, description] of ACTIONS) {
    const command = rollout
      .command(`${action} <promotion>`)
      .description(description)
      .option('--step <name>', 'needed where several steps of the promotion roll out')
      .option('--comment <text>', 'shown to everyone');
    const isAsked = action === 'abort' || action === 'promote';
    command
      .option(
        '--yes',
        isAsked
          ? 'do not ask; needed without a terminal, and with --json'
          : 'nothing is asked anyway',
      )
      .option(
        '--idempotency-key <key>',
        'the same key gives the first answer and counts once (default: a new one)',
      );
    act<SteerOptions>(command, io, settle, (context, options, [id = '']) =>
      steerRollout(context, id, action, options),
    );
  }
}

async function showRollouts(
  context: CommandContext,
  { step, watch }: ShowOptions,
  [id = '']: readonly string[],
): Promise<ExitCode> {
  assertPromotionId(id);
  const api = context.api();
  if (watch === true) return watchRollouts(context, () => getRollouts(api, id, step));
  const promotion = await getRollouts(api, id, step);
  context.print(promotion, () => {
    const { columns } = context.io.terminal() ?? { columns: Number.POSITIVE_INFINITY };
    return cutLines(describeRollouts(promotion, context.io.now()), columns);
  });
  return EXIT_CODES.ok;
}
