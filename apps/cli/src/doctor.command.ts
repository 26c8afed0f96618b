import { spawnSync } from 'node:child_process';
import type { Command } from 'commander';
import { apiUrl, createApiClient, readToken, unreachable } from './api-client.ts';
import type { CliIo } from './cli-io.ts';
import { act, type CommandContext } from './command-context.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { OPERATIONS } from './operations.ts';
import { table, wrapped } from './text-layout.ts';

const MAX_SKEW_SECONDS = 60;
const TIMEOUT_MS = 5000;

/** One thing that was looked at. */
interface Finding {
  readonly check: string;
  /** `warning` where only some uses need it. */
  readonly state: 'ok' | 'warning' | 'failed';
  readonly detail: string;
  /** What to do; empty when it is ok. */
  readonly next: string;
}

/** Adds `sluice doctor`. */
export function addDoctorCommand(
  program: Command,
  io: CliIo,
  settle: (exitCode: ExitCode) => void,
): void {
  const doctor = program
    .command('doctor')
    .description('look at Node, the API, the token, the clock and optional tools');
  act(doctor, io, settle, examine);
}

async function examine(context: CommandContext): Promise<ExitCode> {
  const { io, options } = context;
  const url = apiUrl(options, io);
  const api = await examineApi(io, url);
  const isReachable = api[0]?.state === 'ok';
  const findings: Finding[] = [
    examineNode(process.versions.node),
    ...api,
    ...(isReachable ? [await examineToken(context)] : []),
    examineTool('python3', 'the demo fetches two tools with it'),
    examineTool('trivy', 'the worker scans with it; set-up fetches one'),
  ];
  const ok = findings.every(({ state }) => state !== 'failed');
  context.print({ ok, api: url, checks: findings }, () => describe(findings));
  if (ok) return EXIT_CODES.ok;
  return isReachable ? EXIT_CODES.failed : EXIT_CODES.unreachable;
}

/** Exported for its test: Node 20 from 20.19 on, and everything newer. */
export function examineNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isNew = major > 20 || (major === 20 && minor >= 19);
  const next = isNew ? '' : 'Install Node 20.19 or newer.';
  return { check: 'node', state: isNew ? 'ok' : 'failed', detail: version, next };
}

async function examineApi(io: CliIo, url: string): Promise<Finding[]> {
  let alive: Response;
  const before = io.now();
  try {
    alive = await io.fetch(`${url}/healthz`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    await alive.body?.cancel();
  } catch (error) {
    const { message } = unreachable(url, error);
    const next = 'Start it, or name its address with --api or SLUICE_API_URL.';
    return [{ check: 'api', state: 'failed', detail: message, next }];
  }
  const after = io.now();
  if (alive.status !== 200) {
    const next = 'Is this the address of Sluice? Name it with --api or SLUICE_API_URL.';
    const detail = `${url}/healthz answered ${alive.status}`;
    return [{ check: 'api', state: 'failed', detail, next }];
  }
  return [
    { check: 'api', state: 'ok', detail: url, next: '' },
    await examineReadiness(io, url),
    examineClock(alive.headers.get('date'), (before + after) / 2),
  ];
}

async function examineReadiness(io: CliIo, url: string): Promise<Finding> {
  try {
    const response = await io.fetch(`${url}/readyz`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const { missing = [] } = (await response.json()) as { missing?: readonly string[] };
    if (response.status === 200) return { check: 'ready', state: 'ok', detail: 'yes', next: '' };
    const detail = `not ready: ${missing.join(', ') || `it answered ${response.status}`}`;
    const next = "Start what is missing; the API's log says more.";
    return { check: 'ready', state: 'failed', detail, next };
  } catch (error) {
    const next = "Look at the API's log.";
    return { check: 'ready', state: 'failed', detail: (error as Error).message, next };
  }
}

/** Exported for its test. The header has whole seconds. */
export function examineClock(date: string | null, now: number): Finding {
  const theirs = Date.parse(date ?? '');
  if (Number.isNaN(theirs)) {
    return { check: 'clock', state: 'warning', detail: 'the API sent no Date', next: '' };
  }
  const skew = Math.round(Math.max(0, Math.abs(now - theirs - 500) - 500) / 1000);
  const isFine = skew <= MAX_SKEW_SECONDS;
  const next = isFine ? '' : `Set the clock: agents are refused from ${MAX_SKEW_SECONDS} s on.`;
  const detail = `${skew} s apart from the API's`;
  return { check: 'clock', state: isFine ? 'ok' : 'failed', detail, next };
}

async function examineToken({ io, options }: CommandContext): Promise<Finding> {
  const failed = (detail: string, next: string): Finding => {
    return { check: 'token', state: 'failed', detail, next };
  };
  try {
    if (readToken(options, io) === undefined) {
      return failed('none is given', 'Set SLUICE_TOKEN, or name a file with --token-file.');
    }
    const { viewer } = await createApiClient(options, io).run<{
      viewer: { name: string; tenant: string; role: string };
    }>(OPERATIONS.viewer);
    const detail = `${viewer.name} (${viewer.role}) of ${viewer.tenant}`;
    return { check: 'token', state: 'ok', detail, next: '' };
  } catch (error) {
    if ((error as { name?: unknown }).name !== 'CliError') throw error;
    const { code, message, next } = error as CliError;
    return failed(message, code === 'api-unreachable' ? "Look at the API's log." : next);
  }
}

function examineTool(name: string, why: string): Finding {
  const run = spawnSync(name, ['--version'], { encoding: 'utf8', timeout: TIMEOUT_MS });
  if (run.status === 0) {
    const detail = (run.stdout || run.stderr).trim().split('\n')[0] ?? '';
    return { check: name, state: 'ok', detail: detail.slice(0, 200), next: '' };
  }
  return { check: name, state: 'warning', detail: 'not on PATH', next: `Optional here: ${why}.` };
}

function describe(findings: readonly Finding[]): string {
  const rows = findings.map(({ check, state, detail }) => [check, state, detail]);
  const columns = [{ title: 'CHECK' }, { title: 'STATE' }, { title: 'DETAIL', shrinks: true }];
  const advice = findings
    .filter(({ next }) => next !== '')
    .map(({ check, next }) => wrapped(`${check}: ${next}`, 2));
  return table(columns, rows) + (advice.length > 0 ? `\n${advice.join('')}` : '');
}
