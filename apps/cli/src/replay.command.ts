import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { printable } from '@sluice/pure';
import type { Command } from 'commander';
import type { CliIo } from './cli-io.ts';
import { act, type CommandContext, wholeNumber } from './command-context.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { describeSkipped, findPromotions, hasFault, saveFound } from './history.command.ts';
import { fetchCode, findBuild, listKeptBundles, writeBundleList } from './kept-code.ts';
import { withPrivateFolder } from './private-folder.ts';
import { isQueryWord } from './promotion-query.ts';
import { buildOfRef, exitCodeOf, newestRun, runReplayTool } from './replay-tool.ts';

interface ReplayOptions {
  readonly key?: string;
  readonly bundle?: string;
  readonly ref?: string;
  readonly build?: string;
  readonly bundles?: string;
  readonly workers?: string;
  readonly inputs?: boolean;
  readonly inspect?: boolean;
  readonly junit?: string;
  readonly reason?: string;
}

/** Histories that are there, and what is known of the builds between them and now. */
interface Prepared {
  readonly inputs: readonly string[];
  /** Folder with kept builds; undefined where there is none to search. */
  readonly bundles: string | undefined;
  /** True when a history that should be there could not be had. */
  readonly isIncomplete: boolean;
}

const PROMOTION = /^[a-z0-9-]+\/[1-9]\d*$/;

const HELP = `
A promotion is dev/1. A folder or file is a path that is there (./dev/1 where it
could mean both). A query is words: state=failed,reverted environment=dev
release=shop@1.2.0 kind=rollback since=7d until=2026-11-21 limit=50.
Status: 0 all deterministic; 1 a mismatch, or a file that cannot be read.`;

/** Adds `sluice replay`. */
export function addReplayCommand(
  program: Command,
  io: CliIo,
  settle: (exitCode: ExitCode) => void,
): void {
  const replay = program
    .command('replay <promotion-folder-or-query...>')
    .description("run today's workflow code, or another build's, against recorded histories")
    .option('--key <file>', 'codec keys: replay encrypted histories instead of redacted ones')
    .option('--bundle <file>', "workflow code to try (default: this checkout's build)")
    .option('--ref <ref>', 'build and try the workflow code of a git ref')
    .option('--build <id>', 'try the kept code of a build')
    .option(
      '--bundles <folder>',
      'kept code to run in search of the build that broke a history; only from where you trust',
    )
    .option('--workers <count>', 'so many at once (default: one for each processor)')
    .option('--inputs', 'also compare what activities are given, which replay itself does not')
    .option('--inspect', 'stop at each workflow task of one history, in a debugger')
    .option('--junit <file>', 'also write results as JUnit')
    .option('--reason <text>', 'why histories are read; stands in the event')
    .addHelpText('after', HELP);
  act<ReplayOptions>(replay, io, settle, replayHistories);
}

async function replayHistories(
  context: CommandContext,
  options: ReplayOptions,
  words: readonly string[],
): Promise<ExitCode> {
  assertOptions(options);
  return withPrivateFolder(async (folder) => {
    // First, for it takes longest to fail.
    const bundle = await chooseBundle(context, options, folder);
    const prepared = await prepare(context, options, words, folder);
    return options.inspect === true
      ? inspect(context, options, prepared, bundle)
      : run(context, options, prepared, bundle);
  });
}

function assertOptions(options: ReplayOptions): void {
  const { key, bundle, ref, build, workers, inspect, junit, inputs } = options;
  const named = [bundle, ref, build].filter((value) => value !== undefined);
  if (named.length > 1) {
    throw usage('bundle-unclear', 'Name one of --bundle, --ref and --build.');
  }
  if (workers !== undefined) wholeNumber(workers, '--workers', 1, 64);
  if (inspect === true && (junit !== undefined || inputs === true || workers !== undefined)) {
    const message =
      '--inspect steps through one history: it takes no --junit, --inputs, --workers.';
    throw usage('option-invalid', message);
  }
  if (key !== undefined && !existsSync(key)) {
    throw usage('file-unreadable', `There is no key file ${resolve(key)}.`);
  }
  if (bundle !== undefined && !existsSync(bundle)) {
    throw usage('file-unreadable', `There is no workflow code ${resolve(bundle)}.`);
  }
}

/** Path of the code that is tried; undefined for the checkout's own. */
async function chooseBundle(
  context: CommandContext,
  { bundle, ref, build, bundles }: ReplayOptions,
  folder: string,
): Promise<string | undefined> {
  if (bundle !== undefined) return resolve(bundle);
  if (ref !== undefined) return buildOfRef(context.io, ref, join(folder, 'ref'));
  if (build === undefined) return undefined;
  if (bundles !== undefined) {
    const message = '--build takes its code from the API, where --bundles names a folder.';
    const next = 'Name the file in that folder with --bundle.';
    throw new CliError(EXIT_CODES.usage, 'option-invalid', message, next);
  }
  const api = context.api();
  const { digest } = findBuild(await listKeptBundles(api), build);
  return fetchCode(api, digest, join(folder, 'bundles'));
}

async function prepare(
  context: CommandContext,
  options: ReplayOptions,
  words: readonly string[],
  folder: string,
): Promise<Prepared> {
  if (options.bundles !== undefined && !existsSync(join(options.bundles, 'bundles.json'))) {
    throw usage('file-unreadable', `There is no bundles.json in ${resolve(options.bundles)}.`);
  }
  const given = options.bundles === undefined ? undefined : resolve(options.bundles);
  if (words.every((word) => !isQueryWord(word) && isPath(word))) {
    if (given === undefined && options.inspect !== true) tellOfUnused(context, words);
    return { inputs: words.map((word) => resolve(word)), bundles: given, isIncomplete: false };
  }
  assertUnderstood(words);
  const { promotions, isMore } = await findPromotions(context, words);
  const form = options.key === undefined ? 'REDACTED' : 'ENCRYPTED';
  const { reason = 'Replayed with sluice replay.' } = options;
  const outcome = await saveFound(context, promotions, { form, reason, folder });
  const note = isMore ? 'There are more: narrow the query, or raise limit=.\n' : '';
  context.io.err(describeSkipped(outcome) + note);
  if (outcome.saved.length === 0) {
    const message = 'None of these promotions has an archived history.';
    throw new CliError(EXIT_CODES.failed, 'no-history-found', message, 'Nothing was replayed.');
  }
  const bundles = join(folder, 'bundles');
  if (given === undefined) writeBundleList(bundles, await listKeptBundles(context.api()));
  const files = outcome.saved.map(({ file }) => file);
  const inputs = options.inspect === true ? [newestRun(outcome.saved).file] : files;
  return { inputs, bundles: given ?? bundles, isIncomplete: hasFault(outcome) };
}

/** Kept code would run: who got a folder from somebody else has to say that it may. */
function tellOfUnused({ io }: CommandContext, words: readonly string[]): void {
  const folders = words.map((word) => join(resolve(word), 'bundles'));
  const unused = folders.find((path) => existsSync(join(path, 'bundles.json')));
  if (unused === undefined) return;
  const folder = printable(unused);
  io.err(
    `Kept code is not used unasked, for it would run: ${folder}\n` +
      'Where you trust who wrote it, name that folder with --bundles to learn which build broke a history.\n',
  );
}

function assertUnderstood(words: readonly string[]): void {
  const word = words.find((one) => !isQueryWord(one) && !PROMOTION.test(one));
  if (word === undefined) return;
  const isMixed = isPath(word);
  const message = isMixed
    ? `"${word}" is a path, and promotions or a query stand beside it.`
    : `"${word}" is no promotion, no query, and no path that is there.`;
  const next = 'Write dev/1, or state=failed since=7d, or a folder of exported histories.';
  throw new CliError(EXIT_CODES.usage, 'replay-of-what', message, next);
}

/** What is there is a path; what only looks like one is, too, so that the message is about files. */
function isPath(word: string): boolean {
  if (PROMOTION.test(word)) return false;
  return existsSync(word) || /^[./~]|\.(json|history|bin)$|\//.test(word);
}

async function run(
  context: CommandContext,
  options: ReplayOptions,
  { inputs, bundles, isIncomplete }: Prepared,
  bundle: string | undefined,
): Promise<ExitCode> {
  const { key, workers, junit } = options;
  const isLocal = bundles === undefined || options.bundles !== undefined;
  const args = [
    'run',
    ...inputs.flatMap((input) => ['--input', input]),
    ...optional('--key', key),
    ...optional('--bundle', bundle),
    ...optional('--bundles', bundles),
    ...optional('--workers', workers),
    ...(options.inputs === true ? ['--inputs'] : []),
    ...optional('--junit', junit),
    '--format',
    context.options.json === true ? 'json' : 'text',
  ];
  const answer = isLocal ? undefined : bringCode(context, bundles);
  const end = await runReplayTool(context.io, 'main.js', { args, ...(answer && { answer }) });
  const exitCode = exitCodeOf(end);
  return exitCode === EXIT_CODES.ok && isIncomplete ? EXIT_CODES.failed : exitCode;
}

async function inspect(
  context: CommandContext,
  { key }: ReplayOptions,
  { inputs }: Prepared,
  bundle: string | undefined,
): Promise<ExitCode> {
  const [input, another] = inputs;
  if (input === undefined || another !== undefined) {
    throw usage('option-invalid', '--inspect steps through one history: name one file.');
  }
  const args = ['inspect', '--input', input];
  args.push(...optional('--key', key), ...optional('--bundle', bundle));
  const run = { flags: ['--inspect-brk'], args };
  return exitCodeOf(await runReplayTool(context.io, 'main.js', run));
}

/** Fetches kept code when the tool asks for it: a search by halving needs few of many builds. */
function bringCode(
  context: CommandContext,
  folder: string,
): (message: unknown) => Promise<unknown> {
  return async (message) => {
    const { wanted } = (message ?? {}) as { wanted?: unknown };
    try {
      await fetchCode(context.api(), String(wanted), folder);
      return { brought: wanted, ok: true };
    } catch {
      return { brought: wanted, ok: false };
    }
  };
}

function optional(name: string, value: string | undefined): readonly string[] {
  return value === undefined ? [] : [name, value];
}

function usage(code: string, message: string): CliError {
  return new CliError(EXIT_CODES.usage, code, message);
}
