import { randomUUID } from 'node:crypto';
import { printable } from '@sluice/pure';
import { assertNotRefused, type CommandContext, wholeNumber } from './command-context.ts';
import { canAsk, confirm } from './confirmation.ts';
import { describeMove } from './difference-text.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import type { ChangedPromotionView, ResetPreviewView } from './history-operations.ts';
import { OPERATIONS, type RefusalView } from './operations.ts';
import { assertPromotionId } from './promotion-reference.ts';
import { watchPromotion } from './promotion-watch.ts';
import { wrapped } from './text-layout.ts';

/** Possible events that are shown; the newest. */
const MAX_EVENTS = 12;
/** Effects that are shown. */
const MAX_EFFECTS = 40;

/** How a promotion is begun again, or tried at once. */
export interface ResetOptions {
  readonly event?: string;
  readonly reason?: string;
  readonly yes?: boolean;
  /** Nothing is asked and nothing is done. */
  readonly preview?: boolean;
  readonly watch?: boolean;
  readonly idempotencyKey?: string;
}

/** Shows what a reset does again, asks, and asks the API for it. */
export async function resetPromotion(
  context: CommandContext,
  options: ResetOptions,
  [id = '']: readonly string[],
): Promise<ExitCode> {
  assertPromotionId(id);
  if (options.yes === true && options.preview === true) {
    const message = '--preview does nothing, and --yes does it at once: name one of them.';
    throw new CliError(EXIT_CODES.usage, 'option-invalid', message);
  }
  if (options.preview !== true && options.yes !== true && !canAsk(context)) {
    const next = `Add --yes when you are sure; sluice promotion reset ${id} --preview shows what runs again.`;
    throw new CliError(EXIT_CODES.usage, 'confirmation-missing', 'Nobody can be asked here.', next);
  }
  const wanted =
    options.event === undefined ? null : wholeNumber(options.event, '--event', 1, 999_999);
  const api = context.api();
  const { resetPreview: preview } = await api.run<{ resetPreview: ResetPreviewView | RefusalView }>(
    OPERATIONS.resetPreview,
    { promotion: id, event: wanted },
  );
  assertNotRefused<ResetPreviewView>(preview, 'ResetPreview');
  if (options.preview === true) {
    context.print(preview, () => describePreview(preview));
    return EXIT_CODES.ok;
  }
  if (context.options.json !== true) context.io.out(describePreview(preview));
  if (options.yes !== true)
    await confirm(context, `Begin ${id} again from event ${preview.event}?`);
  const { reason = 'Reset with sluice promotion reset.', idempotencyKey = randomUUID() } = options;
  const input = { promotion: id, event: preview.event, reason, idempotencyKey };
  const { resetPromotion: answer } = await api.run<{
    resetPromotion: ChangedPromotionView | RefusalView;
  }>(OPERATIONS.resetPromotion, { input });
  assertNotRefused<ChangedPromotionView>(answer, 'Promotion');
  if (options.watch === true) return watchPromotion(context, id);
  context.print({ promotion: answer, preview }, () =>
    [
      `${id} begins again from event ${preview.event}.\n`,
      `Follow it: sluice promotion watch ${id}\n`,
    ].join(''),
  );
  return EXIT_CODES.ok;
}

/** Asks the API to try at once what waits for its next attempt. */
export async function resumePromotion(
  context: CommandContext,
  options: ResetOptions,
  [id = '']: readonly string[],
): Promise<ExitCode> {
  assertPromotionId(id);
  const { reason = 'Resumed with sluice promotion resume.' } = options;
  const input = { promotion: id, reason, idempotencyKey: options.idempotencyKey ?? randomUUID() };
  const { resumePromotion: answer } = await context.api().run<{
    resumePromotion: ChangedPromotionView | RefusalView;
  }>(OPERATIONS.resumePromotion, { input });
  assertNotRefused<ChangedPromotionView>(answer, 'Promotion');
  if (options.watch === true) return watchPromotion(context, id);
  context.print(answer, () =>
    [
      `${printable(`${id}  ${describeMove(answer)}`)}: what failed is tried again at once.\n`,
      `Follow it: sluice promotion watch ${id}\n`,
    ].join(''),
  );
  return EXIT_CODES.ok;
}

function describePreview(preview: ResetPreviewView): string {
  const { promotion, event, lastEvent, possibleEvents, runsAgain, warnings } = preview;
  const { id, state } = promotion;
  const others = possibleEvents.filter((possible) => possible !== event);
  const shown = others.slice(-MAX_EVENTS);
  const older = others.length > shown.length ? '…, ' : '';
  const effects = runsAgain.slice(0, MAX_EFFECTS);
  return [
    wrapped(`${id}  ${describeMove(promotion)}: ${state.toLowerCase()}`, 2),
    `  begins again from event ${event} of ${lastEvent}; what came before stands\n`,
    shown.length === 0
      ? ''
      : wrapped(`  also possible with --event: ${older}${shown.join(', ')}`, 4),
    runsAgain.length === 0 ? '\nNothing that was done runs again.\n' : '\nRuns again:\n',
    ...effects.map(({ event: at, activity, step, target, consequence }) => {
      const what = [step ?? activity, ...(target === null ? [] : [`on ${target}`])].join(' ');
      return wrapped(`  ${String(at).padStart(5)}  ${what}: ${consequence}`, 9);
    }),
    runsAgain.length > effects.length ? `  … and ${runsAgain.length - effects.length} more\n` : '',
    warnings.length === 0 ? '' : '\nMind:\n',
    ...warnings.map(({ code, message }) => wrapped(`  ${code}: ${message}`, 4)),
    '\n',
  ].join('');
}
