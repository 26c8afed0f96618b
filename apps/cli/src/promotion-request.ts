import type { ApiClient } from './api-client.ts';
import { type CommandContext, wholeNumber } from './command-context.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import type { PromotionView } from './operations.ts';
import { getPromotion, isEnded } from './promotion-reference.ts';
import { describePromotion } from './promotion-text.ts';
import { watchPromotion } from './promotion-watch.ts';

const POLL_MS = 1000;

/** Whether an end is waited for. */
export interface WaitOptions {
  readonly wait?: string;
}

/** Options of what asks for a promotion. */
export interface RequestOptions extends WaitOptions {
  readonly idempotencyKey?: string;
  readonly watch?: boolean;
}

/** Follows what was asked for, waits for its end, or shows it as it is: as the options say. */
export async function printAfterRequest(
  context: CommandContext,
  api: ApiClient,
  promotion: PromotionView,
  options: RequestOptions,
): Promise<ExitCode> {
  if (options.watch === true) return watchPromotion(context, promotion.id);
  return printPromotion(context, await ended(context, api, promotion, options), options);
}

/** Waits for the end and the seal, where --wait is given. */
export async function ended(
  { io }: CommandContext,
  api: ApiClient,
  first: PromotionView,
  options: WaitOptions,
): Promise<PromotionView> {
  if (options.wait === undefined) return first;
  const deadline = io.now() + wholeNumber(options.wait, '--wait', 1, 7 * 24 * 3600) * 1000;
  let promotion = first;
  let shown = '';
  while (!isEnded(promotion)) {
    const active = promotion.steps.find(({ state }) => state === 'RUNNING' || state === 'WAITING');
    const line = `${promotion.id}: ${promotion.state.toLowerCase()}${active ? `, ${active.id}` : ''}`;
    if (line !== shown) io.err(`${line} …\n`);
    shown = line;
    if (io.now() >= deadline) {
      const message = `Promotion ${promotion.id} has not ended within ${options.wait} s.`;
      const next = `Look again: sluice promotion show ${promotion.id}.`;
      throw new CliError(EXIT_CODES.failed, 'wait-over', message, next);
    }
    await io.sleep(POLL_MS);
    promotion = await getPromotion(api, promotion.id);
  }
  return promotion;
}

/** Prints a promotion; status 1 when its end was waited for and is not a success. */
export function printPromotion(
  context: CommandContext,
  promotion: PromotionView,
  { wait }: WaitOptions,
  files: { readonly packet?: string; readonly trustRoot?: string } = {},
): ExitCode {
  context.print({ ...promotion, files }, () => {
    const lines = Object.entries(files).map(([name, path]) => `${name} written to ${path}\n`);
    return describePromotion(promotion) + lines.join('');
  });
  const isGood = wait === undefined || promotion.state === 'SUCCEEDED';
  return isGood ? EXIT_CODES.ok : EXIT_CODES.failed;
}
