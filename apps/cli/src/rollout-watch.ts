import { printable } from '@sluice/pure';
import type { CommandContext } from './command-context.ts';
import { type CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import type { PromotionRolloutsView } from './rollout-operations.ts';
import { cutLines, describeRollouts, lineOf } from './rollout-text.ts';
import { clause } from './text-layout.ts';

const LOOK_MS = 1000;
/** So long without an answer, and the API counts as gone. */
const PATIENCE_MS = 5 * 60_000;
const ENDS = ['SUCCEEDED', 'DENIED', 'FAILED', 'REVERTED', 'CANCELLED'];

/**
 * Looks at rollouts every second until all have ended, or their promotion has: at a terminal one picture drawn over itself, elsewhere a
 * line for each change, with --json a document a line for each.
 * @param read what is looked at
 * @returns 0 when there is a rollout and all completed, 1 otherwise
 * @throws CliError when the API refuses, or does not answer for five minutes
 */
export async function watchRollouts(
  context: CommandContext,
  read: () => Promise<PromotionRolloutsView>,
): Promise<ExitCode> {
  const { io } = context;
  const show = presenterOf(context);
  let answeredAt: number | undefined;
  for (;;) {
    const promotion = await read().catch((error: unknown) => {
      const { code, message } = error as CliError;
      const isAway = code === 'api-unreachable' && answeredAt !== undefined;
      if (!isAway || io.now() - (answeredAt ?? 0) > PATIENCE_MS) throw error;
      io.err(`${printable(clause(message))}; looking again.\n`);
      return undefined;
    });
    if (promotion !== undefined) {
      answeredAt = io.now();
      show(promotion);
      if (isOver(promotion)) return exitCodeOf(promotion);
    }
    await io.sleep(LOOK_MS);
  }
}

function isOver({ state, rollouts }: PromotionRolloutsView): boolean {
  if (ENDS.includes(state)) return true;
  return rollouts.length > 0 && rollouts.every(({ endedAt }) => endedAt !== null);
}

function exitCodeOf({ rollouts }: PromotionRolloutsView): ExitCode {
  const isGood = rollouts.length > 0 && rollouts.every(({ state }) => state === 'COMPLETED');
  return isGood ? EXIT_CODES.ok : EXIT_CODES.failed;
}

function presenterOf({ io, options }: CommandContext): (promotion: PromotionRolloutsView) => void {
  if (options.json === true) {
    return onChange(
      (promotion) => JSON.stringify(promotion),
      (promotion) => io.out(`${JSON.stringify(promotion)}\n`),
    );
  }
  if (io.terminal() === undefined) {
    // The time that it took so far is no news.
    return onChange(
      ({ rollouts }) => rollouts.map((one) => lineOf(one, Date.parse(one.changedAt))).join('\n'),
      ({ id, rollouts }) => {
        for (const rollout of rollouts) {
          const line = `${id} ${rollout.step}: ${lineOf(rollout, io.now())}`;
          const why = rollout.reason === null ? '' : `: ${rollout.reason.code}`;
          io.out(`${printable(line + why)}\n`);
        }
      },
    );
  }
  let drawn = 0;
  return (promotion) => {
    const { columns, rows } = io.terminal() ?? { columns: 80, rows: 24 };
    const text = cutLines(describeRollouts(promotion, io.now()), columns - 1);
    // One line less, for the cursor stands below the last one.
    const lines = text
      .trimEnd()
      .split('\n')
      .slice(0, Math.max(1, rows - 1));
    const back = drawn === 0 ? '' : `\u001b[${drawn}A`;
    io.out(`${back}\r\u001b[0J${lines.map((line) => `${line}\n`).join('')}`);
    drawn = lines.length;
  };
}

function onChange(
  keyOf: (promotion: PromotionRolloutsView) => string,
  show: (promotion: PromotionRolloutsView) => void,
): (promotion: PromotionRolloutsView) => void {
  let last: string | undefined;
  return (promotion) => {
    const key = keyOf(promotion);
    if (key === last) return;
    last = key;
    show(promotion);
  };
}
