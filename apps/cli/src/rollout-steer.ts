import { randomUUID } from 'node:crypto';
import { printable } from '@sluice/pure';
import type { ApiClient } from './api-client.ts';
import { assertNotRefused, type CommandContext } from './command-context.ts';
import { canAsk, confirm } from './confirmation.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { OPERATIONS, type RefusalView } from './operations.ts';
import { assertPromotionId } from './promotion-reference.ts';
import type { PromotionRolloutsView, RolloutView } from './rollout-operations.ts';
import { getRollouts } from './rollout-reference.ts';
import { cutLines, describeRollouts, lineOf } from './rollout-text.ts';

/** The same key counts once, so asking again when the engine was away is safe. */
const TRIES = 3;
const PAUSE_MS = 2000;
const MAX_COMMENT = 500;

/** What people can do to a rollout. */
export type SteerAction = 'pause' | 'resume' | 'skip' | 'abort' | 'promote';

/** Options of `sluice rollout pause`, `resume`, `skip`, `abort` and `promote`. */
export interface SteerOptions {
  readonly step?: string;
  readonly comment?: string;
  readonly yes?: boolean;
  readonly idempotencyKey?: string;
}

type SteerAnswer = (RolloutView & { readonly __typename: 'Rollout' }) | RefusalView;

/** Steers a rollout; what cannot be taken back is shown and asked about first. */
export async function steerRollout(
  context: CommandContext,
  id: string,
  action: SteerAction,
  options: SteerOptions,
): Promise<ExitCode> {
  assertPromotionId(id);
  const { step, comment = '', yes, idempotencyKey = randomUUID() } = options;
  if (comment.length > MAX_COMMENT) {
    const message = `--comment has ${comment.length} characters.`;
    throw usage('option-invalid', message, `Write at most ${MAX_COMMENT}.`);
  }
  const isFinal = action === 'abort' || action === 'promote';
  if (isFinal && yes !== true && !canAsk(context)) {
    throw usage(
      'confirmation-missing',
      'Nobody can be asked here.',
      'Add --yes when you are sure.',
    );
  }
  const api = context.api();
  if (isFinal && yes !== true) {
    const promotion = await getRollouts(api, id, step);
    context.io.out(shown(context, promotion));
    await confirm(context, questionOf(action, promotion));
  }
  const input = {
    promotion: id,
    step: step ?? null,
    action: action.toUpperCase(),
    comment,
    idempotencyKey,
  };
  const rollout = await askUntilAnswered(context, api, input);
  context.print(rollout, () => {
    const line = `${id} ${rollout.step}: ${lineOf(rollout, context.io.now())}`;
    return `${printable(line)}\nFollow it: sluice rollout show ${id} --watch\n`;
  });
  return EXIT_CODES.ok;
}

function shown({ io }: CommandContext, promotion: PromotionRolloutsView): string {
  const { columns } = io.terminal() ?? { columns: Number.POSITIVE_INFINITY };
  return `${cutLines(describeRollouts(promotion, io.now()), columns)}\n`;
}

function questionOf(action: 'abort' | 'promote', promotion: PromotionRolloutsView): string {
  const { id, rollouts } = promotion;
  const open = rollouts.filter(({ endedAt }) => endedAt === null);
  const members = open.flatMap(({ stages }) => stages.map(({ memberCounts }) => memberCounts));
  const all = members.reduce((sum, { total }) => sum + total, 0);
  const done = members.reduce((sum, { succeeded }) => sum + succeeded, 0);
  return action === 'abort'
    ? `Abort the rollout of ${id}, and put ${done} of ${all} targets back?`
    : `Put the new version on the other ${all - done} of ${all} targets of ${id}, unwatched?`;
}

async function askUntilAnswered(
  { io }: CommandContext,
  api: ApiClient,
  input: { readonly promotion: string; readonly idempotencyKey: string },
): Promise<RolloutView> {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await ask(api, input);
    if (answer.__typename !== 'EngineUnavailable') {
      assertNotRefused(answer, 'Rollout');
      return answer;
    }
    const { code, message } = answer as RefusalView;
    if (attempt >= TRIES) {
      const next = `Ask again, it counts once: the same command with --idempotency-key ${input.idempotencyKey}.`;
      throw new CliError(EXIT_CODES.unreachable, code, message, next);
    }
    io.err(`${code}; asking again …\n`);
    await io.sleep(PAUSE_MS);
  }
}

/** An API that did not answer may have heard it nevertheless: that is as an engine which did not. */
async function ask(api: ApiClient, input: object): Promise<SteerAnswer> {
  try {
    const { steerRollout: answer } = await api.run<{ steerRollout: SteerAnswer }>(
      OPERATIONS.steerRollout,
      { input },
    );
    return answer;
  } catch (error) {
    const { code, message } = error as CliError;
    if (code !== 'api-unreachable') throw error;
    return { __typename: 'EngineUnavailable', code, message };
  }
}

function usage(code: string, message: string, next: string): CliError {
  return new CliError(EXIT_CODES.usage, code, message, next);
}
