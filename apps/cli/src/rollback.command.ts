import { randomUUID } from 'node:crypto';
import { isDigest, NOTHING_NAME } from '@sluice/domain';
import { printable } from '@sluice/pure';
import type { Command } from 'commander';
import type { ReleaseNameView } from './approval-operations.ts';
import type { CliIo } from './cli-io.ts';
import { act, assertNotRefused, type CommandContext } from './command-context.ts';
import { canAsk, confirm } from './confirmation.ts';
import { releaseName } from './difference-text.ts';
import type { RollbackSceneView, RollbackView } from './environment-operations.ts';
import { noEnvironment } from './environment-reference.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { OPERATIONS, type RefusalView } from './operations.ts';
import { watchPromotion } from './promotion-watch.ts';
import { wrapped } from './text-layout.ts';

interface RollbackOptions {
  readonly to?: string;
  readonly lastVerified?: boolean;
  readonly nothing?: boolean;
  readonly reason: string;
  readonly yes?: boolean;
  readonly watch?: boolean;
  readonly idempotencyKey?: string;
}

/** What the rollback puts there, as the API wants it, and as people call it. */
interface Destination {
  readonly to: 'RELEASE' | 'LAST_VERIFIED' | 'NOTHING';
  readonly release: string | null;
  readonly text: string;
}

/** Adds `sluice rollback`. */
export function addRollbackCommand(
  program: Command,
  io: CliIo,
  settle: (exitCode: ExitCode) => void,
): void {
  const rollback = program
    .command('rollback <environment>')
    .description('put an earlier release, or nothing, there at once; whatever runs gives way')
    .option('--to <release>', 'verified there before: version, name@version, or digest')
    .option('--last-verified', 'the newest that was verified there before the one that runs')
    .option('--nothing', 'empty the targets')
    .requiredOption('--reason <text>', 'shown to everyone')
    .option('--yes', 'do not ask; needed without a terminal, and with --json')
    .option('--watch', 'follow it to its end; status 1 unless it succeeded')
    .option('--idempotency-key <key>', 'the same key gives the first answer (default: a new one)');
  act<RollbackOptions>(rollback, io, settle, rollBack);
}

async function rollBack(
  context: CommandContext,
  options: RollbackOptions,
  [environment = '']: readonly string[],
): Promise<ExitCode> {
  assertOptions(context, options);
  const api = context.api();
  const { environment: scene } = await api.run<{ environment: RollbackSceneView | null }>(
    OPERATIONS.rollbackScene,
    { name: environment },
  );
  if (scene === null) throw noEnvironment(environment);
  const { to, release, text } = destination(options, scene);
  if (context.options.json !== true) context.io.out(describeScene(scene, text));
  if (options.yes !== true) await confirm(context, `Roll ${environment} back to ${text}?`);
  const { reason, idempotencyKey = randomUUID() } = options;
  const input = { environment, to, release, reason, idempotencyKey };
  const { rollbackEnvironment: answer } = await api.run<{
    rollbackEnvironment: RollbackView | RefusalView;
  }>(OPERATIONS.rollbackEnvironment, { input });
  assertNotRefused<RollbackView>(answer, 'Promotion');
  if (options.watch === true) return watchPromotion(context, answer.id);
  context.print(answer, () => {
    const what = `${releaseName(answer.release)} in ${environment}: ${answer.state.toLowerCase()}`;
    const follow = `Follow it: sluice promotion watch ${answer.id}\n`;
    return `${printable(`${answer.id}  ${what}.`)}\n${follow}`;
  });
  return EXIT_CODES.ok;
}

function assertOptions(context: CommandContext, options: RollbackOptions): void {
  const { to, lastVerified, nothing, yes } = options;
  const named = [to !== undefined, lastVerified === true, nothing === true].filter(Boolean);
  if (named.length !== 1) {
    const message = 'Say what is put there, once.';
    const next = 'Write --to with a release, --last-verified, or --nothing.';
    throw usage('rollback-destination-unclear', message, next);
  }
  if (yes === true || canAsk(context)) return;
  const message = 'Nobody can be asked here.';
  throw usage('confirmation-missing', message, 'Add --yes when you are sure.');
}

function destination(options: RollbackOptions, scene: RollbackSceneView): Destination {
  if (options.nothing === true) return { to: 'NOTHING', release: null, text: 'nothing' };
  const { to } = options;
  if (to === undefined) {
    return { to: 'LAST_VERIFIED', release: null, text: 'the release verified before' };
  }
  if (isDigest(to)) return { to: 'RELEASE', release: to, text: to };
  const found = findVerified(scene, to);
  return { to: 'RELEASE', release: found.id, text: releaseName(found) };
}

/** A release that succeeded there among the newest hundred promotions, by version or name@version. */
function findVerified(scene: RollbackSceneView, reference: string): ReleaseNameView {
  const verified = new Map(
    scene.promotions.edges
      .filter(({ node }) => node.state === 'SUCCEEDED' && node.release.name !== NOTHING_NAME)
      .map(({ node }) => [node.release.id, node.release]),
  );
  const matches = [...verified.values()].filter(
    (release) => release.version === reference || releaseName(release) === reference,
  );
  const [only] = matches;
  if (only !== undefined && matches.length === 1) return only;
  if (matches.length > 1) {
    const names = matches.map(releaseName).join(', ');
    const message = `"${reference}" can mean ${names}.`;
    throw usage('release-reference-ambiguous', message, 'Write name@version, or a digest.');
  }
  const known = [...verified.values()].slice(0, 10).map(releaseName).join(', ');
  const message = `"${reference}" was not verified in ${scene.name} lately.`;
  const next =
    known === ''
      ? 'Nothing was; --nothing empties its targets.'
      : `These were: ${known}. An older one: write its digest.`;
  throw new CliError(EXIT_CODES.failed, 'release-not-verified-here', message, next);
}

function describeScene({ name, lease, targets }: RollbackSceneView, text: string): string {
  const parts = targets.map((target) =>
    wrapped(`  ${target.name}  runs ${releaseName(target.currentRelease)}`, 4),
  );
  const holder = lease?.holder ?? null;
  if (holder !== null) parts.push(wrapped(`  ${holder} is under way there and gives way`, 4));
  return (
    wrapped(`${name} would be rolled back to ${text}, without scan, gate or approval.`, 2) +
    parts.join('')
  );
}

function usage(code: string, message: string, next: string): CliError {
  return new CliError(EXIT_CODES.usage, code, message, next);
}
