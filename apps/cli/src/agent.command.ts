import { randomBytes } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import { isName } from '@sluice/domain';
import { ENROLMENT_KEY_BYTES, mintEnrolmentToken } from '@sluice/pure';
import { readPrivateFile } from '@sluice/signing';
import type { Command } from 'commander';
import { parse } from 'yaml';
import type { CliIo } from './cli-io.ts';
import { act, type CommandContext, readInput } from './command-context.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { clause, wrapped } from './text-layout.ts';

const MAX_TTL_SECONDS = 30 * 24 * 3600;
const MAX_CONFIGURATION_BYTES = 1024 * 1024;

interface EnrolOptions {
  readonly target: string;
  readonly config?: string;
  readonly key?: string;
  readonly tenant?: string;
  readonly ttl: string;
}

/** Adds `sluice agent …`. */
export function addAgentCommands(
  program: Command,
  io: CliIo,
  settle: (exitCode: ExitCode) => void,
): void {
  const agent = program.command('agent').description('agents of targets');
  const token = agent
    .command('enroll-token')
    .description('mint a one-time enrolment token, where the API configuration can be read')
    .requiredOption('--target <name>', 'the target or router that the agent will act on')
    .option('--config <file>', 'the API configuration (default: SLUICE_CONFIG)')
    .option(
      '--key <file>',
      'the enrolment key (default: SLUICE_ENROLLMENT_KEY, else the configured)',
    )
    .option('--tenant <name>', 'the tenant, where no configuration names it')
    .option('--ttl <duration>', 'how long the token is valid: 30m, 24h, 7d', '24h');
  act<EnrolOptions>(token, io, settle, mintToken);
}

function mintToken(context: CommandContext, options: EnrolOptions): ExitCode {
  const { env, now } = context.io;
  const { target } = options;
  const configFile = options.config ?? (env['SLUICE_CONFIG'] || undefined);
  const configuration = configFile === undefined ? {} : readConfiguration(configFile);
  const tenantId = options.tenant ?? configuration.tenant;
  if (configuration.tenant !== undefined && tenantId !== configuration.tenant) {
    const message = `--tenant is "${tenantId}", but ${configFile} is of ${configuration.tenant}.`;
    throw usage('tenant-differs', message, 'Leave --tenant out, or name its configuration.');
  }
  if (tenantId === undefined) {
    const next = 'Name the configuration with --config, or the tenant with --tenant.';
    throw usage('tenant-missing', 'No tenant is given.', next);
  }
  if (!isName(tenantId) || !isName(target)) {
    const next = 'Write names of lower-case letters, digits and hyphens.';
    throw usage('name-invalid', `"${tenantId}" or "${target}" is no name.`, next);
  }
  if (configuration.targets?.includes(target) === false) {
    const next = `The configuration has: ${configuration.targets.join(', ') || 'no target'}.`;
    throw usage('target-unknown', `Target ${target} is not in ${configFile}.`, next);
  }
  const keyFile = options.key ?? (env['SLUICE_ENROLLMENT_KEY'] || configuration.keyFile);
  if (keyFile === undefined) {
    const next = 'Name it with --key, or write enrolment.keyFile into the configuration.';
    throw usage('enrolment-key-missing', 'No enrolment key is given.', next);
  }
  const expiresAt = new Date(now() + parseTtl(options.ttl) * 1000).toISOString();
  const claims = { tenantId, target, id: randomBytes(18).toString('base64url'), expiresAt };
  const token = mintEnrolmentToken(claims, readKey(keyFile));
  context.print({ token, tenant: tenantId, target, expiresAt }, () => `${token}\n`);
  if (configuration.targets === undefined) {
    const what = `Nothing says that there is a target ${target}: it was not checked against a`;
    context.io.err(wrapped(`${what} configuration. To check it, give --config.`, 2));
  }
  if (context.options.json !== true) {
    context.io.err(`For target ${target}, once, until ${expiresAt}.\n`);
  }
  return EXIT_CODES.ok;
}

interface ReadConfiguration {
  readonly tenant?: string;
  readonly keyFile?: string;
  readonly targets?: readonly string[];
}

/** Only what this command needs; the API checks the whole file when it starts. */
function readConfiguration(path: string): ReadConfiguration {
  const bytes = readInput(path, 'The configuration', MAX_CONFIGURATION_BYTES);
  let root: unknown;
  try {
    root = parse(Buffer.from(bytes).toString('utf8'), { maxAliasCount: 100 });
  } catch (error) {
    const [problem = ''] = (error as Error).message.split('\n');
    const message = `${resolve(path)} is no YAML: ${clause(problem)}.`;
    throw usage('configuration-invalid', message, 'Correct it.');
  }
  const { tenant, enrolment, targets, routers } = (root ?? {}) as Record<string, unknown>;
  const keyFile = (enrolment as { keyFile?: unknown } | null | undefined)?.keyFile;
  const namesIn = (list: unknown): readonly string[] =>
    Array.isArray(list) ? list.map((entry: { name?: unknown } | null) => String(entry?.name)) : [];
  // A router has an agent like any target.
  const names = Array.isArray(targets) ? [...namesIn(targets), ...namesIn(routers)] : undefined;
  return {
    ...(typeof tenant === 'string' ? { tenant } : {}),
    ...(typeof keyFile === 'string' ? { keyFile: resolve(dirname(path), keyFile) } : {}),
    ...(names === undefined ? {} : { targets: names }),
  };
}

function readKey(path: string): Uint8Array {
  let text: string;
  try {
    text = readPrivateFile(path).trim();
  } catch (error) {
    const next = 'Run this as the user that the API runs as.';
    throw usage('enrolment-key-unusable', `${clause((error as Error).message)}.`, next);
  }
  const key = Buffer.from(text, 'base64');
  if (key.byteLength === ENROLMENT_KEY_BYTES && key.toString('base64') === text) {
    return new Uint8Array(key);
  }
  const message = `${resolve(path)} does not hold ${ENROLMENT_KEY_BYTES} bytes in base64.`;
  throw usage('enrolment-key-unusable', message, 'Make one: openssl rand -base64 32.');
}

function parseTtl(text: string): number {
  const [, count = '', unit = ''] = /^([1-9]\d{0,5})([smhd])$/.exec(text) ?? [];
  const factor = { s: 1, m: 60, h: 3600, d: 86_400 }[unit] ?? Number.NaN;
  const seconds = Number(count) * factor;
  if (seconds <= MAX_TTL_SECONDS) return seconds;
  throw usage('option-invalid', `--ttl is "${text}".`, 'Write 30m, 24h or 7d; at most 30d.');
}

function usage(code: string, message: string, next: string): CliError {
  return new CliError(EXIT_CODES.usage, code, message, next);
}
