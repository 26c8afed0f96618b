import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { mkdir, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endProcessGroup } from '@sluice/temporal-server';
import { readLogSince } from '../embedded-postgres/data-folder.ts';
import { StackError } from './stack-error.ts';

const READY_TIMEOUT_MS = 90_000;
const STOP_GRACE_MS = 15_000;

/**
 * How an app is run: a Node script of ours, in its own process group, all configuration in `env`.
 */
export type AppLaunch = {
  readonly name: string;
  readonly script: string;
  readonly args?: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /**
   * Standard error goes here (appended), standard output to `<logFile>.out` (anew at each start).
   */
  readonly logFile: string;
  /** Runs it as another user; only root can. */
  readonly identity?: { readonly uid: number; readonly gid: number };
};

/** A running app. */
export type AppProcess = {
  readonly pid: number;
  /** What it said when it was ready. */
  readonly ready: Readonly<Record<string, unknown>>;
  /** Asks it to end (SIGTERM), by force after 15 s. */
  stop(): Promise<void>;
  /** Sends a signal to its process group; waits for the end after SIGKILL. */
  signal(signal: NodeJS.Signals): Promise<void>;
  /** Resolves when it has ended, for whatever reason. */
  readonly ended: Promise<void>;
};

/**
 * Starts an app and waits until it prints its line `{"ready":true,…}`. Its output goes to files,
 * not pipes, so that it outlives us if it must.
 *
 * @param onSpawn - called with the process id before it is ready.
 * @throws StackError `stack-part-failed`, `stack-part-timeout`, or `stack-port-taken` when it ended
 *   because something else listens on its port; with the last lines of its log.
 */
export async function startApp(
  launch: AppLaunch,
  onSpawn: (pid: number) => void,
): Promise<AppProcess> {
  await mkdir(dirname(launch.logFile), { recursive: true });
  const { child, logOffset } = await spawnApp(launch);
  const { pid } = child;
  if (pid === undefined) {
    throw new StackError('stack-part-failed', `The ${launch.name} could not be started.`);
  }
  onSpawn(pid);
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const ready = await untilReady(launch, child, pid, logOffset);
  return {
    pid,
    ready,
    ended,
    stop: () => endProcessGroup(pid, STOP_GRACE_MS, 'SIGTERM', true),
    signal: async (signal) => {
      process.kill(-pid, signal);
      if (signal === 'SIGKILL') {
        await ended;
      }
    },
  };
}

async function spawnApp(launch: AppLaunch): Promise<{ child: ChildProcess; logOffset: number }> {
  const log = await open(launch.logFile, 'a');
  const out = await open(`${launch.logFile}.out`, 'w');
  try {
    const logOffset = (await log.stat()).size;
    const child = spawn(process.execPath, [launch.script, ...(launch.args ?? [])], {
      env: launch.env,
      detached: true,
      stdio: ['ignore', out.fd, log.fd],
      ...launch.identity,
    });
    child.on('error', () => undefined);
    child.unref();
    return { child, logOffset };
  } finally {
    await log.close();
    await out.close();
  }
}

async function untilReady(
  launch: AppLaunch,
  child: ChildProcess,
  pid: number,
  logOffset: number,
): Promise<Record<string, unknown>> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    const ready = findReadyLine(await readFile(`${launch.logFile}.out`, 'utf8'));
    if (ready !== undefined) {
      return ready;
    }
    if (child.exitCode !== null || child.signalCode !== null) {
      const how = child.signalCode ?? `status ${child.exitCode}`;
      throw await partError(
        'stack-part-failed',
        launch,
        `ended while it started (${how})`,
        logOffset,
      );
    }
    if (Date.now() > deadline) {
      await endProcessGroup(pid, 2_000);
      const what = `was not ready within ${READY_TIMEOUT_MS / 1000} s`;
      throw await partError('stack-part-timeout', launch, what, logOffset);
    }
    await sleep(30);
  }
}

function findReadyLine(output: string): Record<string, unknown> | undefined {
  for (const line of output.split('\n')) {
    if (!line.startsWith('{')) {
      continue;
    }
    try {
      const value = JSON.parse(line) as Record<string, unknown>;
      if (value['ready'] === true) {
        return value;
      }
    } catch {
      // A line that is not whole yet.
    }
  }
  return undefined;
}

async function partError(
  code: 'stack-part-failed' | 'stack-part-timeout',
  launch: AppLaunch,
  what: string,
  logOffset: number,
): Promise<StackError> {
  const log = await readLogSince(launch.logFile, logOffset).catch(() => '');
  const tail = log.trimEnd().split('\n').slice(-6).map(toPlainLine).join('\n');
  if (code === 'stack-part-failed' && log.includes('EADDRINUSE')) {
    return new StackError(
      'stack-port-taken',
      `The ${launch.name} ${what}, for something else listens on its port; end that, or start again to take another one. Its log is ${launch.logFile}; the last lines:\n${tail}`,
    );
  }
  return new StackError(
    code,
    `The ${launch.name} ${what}. Its log is ${launch.logFile}; the last lines:\n${tail}`,
  );
}

/** A line of a JSON log as a person reads it: what happened, and the error's own words. */
function toPlainLine(line: string): string {
  try {
    const { level, msg, err } = JSON.parse(line) as {
      level?: string;
      msg?: string;
      err?: { message?: string };
    };
    const because = err?.message === undefined || err.message === msg ? '' : ` (${err.message})`;
    return `  ${level ?? 'log'}: ${msg ?? ''}${because}`;
  } catch {
    return line.slice(0, 500);
  }
}
