import { isName, WATCH_STATES } from '@sluice/domain';
import type { Command } from 'commander';
import type { CliIo } from './cli-io.ts';
import { act, type CommandContext } from './command-context.ts';
import { releaseName } from './difference-text.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { OPERATIONS } from './operations.ts';
import { duration, minuteOf } from './progress-text.ts';
import { assertPromotionId, noPromotion } from './promotion-reference.ts';
import type { ReleaseWatchView } from './release-watch-operations.ts';
import { table, wrapped } from './text-layout.ts';

/** Failing targets that are named. */
const MAX_FAILING = 12;

interface ListOptions {
  readonly environment?: string;
  readonly state?: string;
}

/** Adds `sluice watch …`. */
export function addReleaseWatchCommands(
  program: Command,
  io: CliIo,
  settle: (exitCode: ExitCode) => void,
): void {
  const watch = program
    .command('watch')
    .description('releases that are watched after they were out');
  const list = watch
    .command('list')
    .description('watches, the newest first')
    .option('--environment <name>', 'of this environment alone')
    .option('--state <state>', `one of ${WATCH_STATES.join(', ')}`);
  act<ListOptions>(list, io, settle, listWatches);
  const show = watch
    .command('show <promotion>')
    .description('how the release of a promotion is watched, or was; status 1 after an alarm');
  act(show, io, settle, showWatch);
}

async function listWatches(
  context: CommandContext,
  { environment, state }: ListOptions,
): Promise<ExitCode> {
  if (environment !== undefined && !isName(environment)) {
    throw usage('environment-invalid', `"${environment}" names no environment.`, 'Write its name.');
  }
  if (state !== undefined && !(WATCH_STATES as readonly string[]).includes(state)) {
    const next = `Write one of ${WATCH_STATES.join(', ')}.`;
    throw usage('state-invalid', `"${state}" is no state of a watch.`, next);
  }
  const { watches } = await context.api().run<{ watches: ReleaseWatchView[] }>(OPERATIONS.watches, {
    environment: environment ?? null,
    state: state?.toUpperCase() ?? null,
  });
  context.print({ watches }, () =>
    watches.length === 0
      ? 'No release is or was watched: an environment asks for it with `watch:` in the API configuration.\n'
      : describeWatches(watches),
  );
  return EXIT_CODES.ok;
}

async function showWatch(
  context: CommandContext,
  _: unknown,
  [id = '']: readonly string[],
): Promise<ExitCode> {
  assertPromotionId(id);
  const { promotion } = await context.api().run<{
    promotion: { readonly watch: ReleaseWatchView | null } | null;
  }>(OPERATIONS.watch, { id });
  if (promotion === null) throw noPromotion(id);
  const { watch } = promotion;
  if (watch === null) {
    throw new CliError(
      EXIT_CODES.failed,
      'watch-not-found',
      `The release of ${id} is not watched, and was not.`,
      'It is where the promotion succeeded and its environment has `watch:` in the configuration.',
    );
  }
  context.print({ watch }, () => describeWatch(watch, context.io.now()));
  return watch.state === 'ALARMED' ? EXIT_CODES.failed : EXIT_CODES.ok;
}

function describeWatches(watches: readonly ReleaseWatchView[]): string {
  const rows = watches.map((watch) => [
    watch.promotion.id,
    releaseName(watch.promotion.release),
    watch.state.toLowerCase(),
    minuteOf(watch.until).slice(5),
    watch.blindSeconds === 0 ? '' : duration(watch.blindSeconds * 1000),
    watch.rollback?.id ?? watch.blind?.code ?? watch.reason?.code ?? '',
  ]);
  const columns = [
    { title: 'PROMOTION', shrinks: true },
    { title: 'RELEASE', shrinks: true },
    { title: 'STATE' },
    { title: 'UNTIL (UTC)' },
    { title: 'UNSEEN' },
    { title: 'ROLLBACK OR REASON', shrinks: true },
  ];
  return table(columns, rows);
}

function describeWatch(watch: ReleaseWatchView, now: number): string {
  const { promotion, state, rounds, blindSeconds, reason, blind, failing, rollback } = watch;
  const what = `${promotion.id}  ${releaseName(promotion.release)} in ${promotion.environment.name}`;
  const lines = [wrapped(`${what}: ${state.toLowerCase()}`, 2)];
  const whole = Date.parse(watch.until) - Date.parse(watch.since);
  const end = watch.endedAt === null ? now : Date.parse(watch.endedAt);
  const gone = duration(Math.min(whole, Math.max(0, end - Date.parse(watch.since))));
  const unseen = blindSeconds === 0 ? '' : `, ${duration(blindSeconds * 1000)} of it unseen`;
  lines.push(wrapped(`  watched ${gone} of ${duration(whole)} in ${rounds} looks${unseen}`, 4));
  lines.push(wrapped(`  on alarm: ${watch.onAlarm === 'ROLLBACK' ? 'roll back' : 'tell'}`, 4));
  if (reason !== null) lines.push(wrapped(`  ${reason.code}: ${reason.message}`, 4));
  if (state === 'WATCHING' && blind !== null) {
    lines.push(wrapped(`  cannot see now: ${blind.code}: ${blind.message}`, 4));
  }
  if (state === 'WATCHING' && failing.length > 0) {
    const shown = failing
      .slice(0, MAX_FAILING)
      .map(({ target, failures }) => `${target} (${failures})`);
    const more = failing.length - shown.length;
    lines.push(wrapped(`  failing: ${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`, 4));
  }
  if (rollback !== null) {
    const to = `${rollback.id} to ${releaseName(rollback.release)}`;
    lines.push(wrapped(`  rollback: ${to}, ${rollback.state.toLowerCase()}`, 4));
  }
  return lines.join('');
}

function usage(code: string, message: string, next: string): CliError {
  return new CliError(EXIT_CODES.usage, code, message, next);
}
