import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { mkdir, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { applyServerSettings } from './apply-server-settings.ts';
import { findFreePort } from './free-port.ts';
import { endProcessGroup, isAlive } from './process-group.ts';
import { TemporalServerError } from './server-error.ts';
import type { ServerSettings } from './server-settings.ts';
import { loadServerSettings } from './server-settings.ts';
import type { ServerVersion } from './server-version.ts';
import {
  assertFolderNotNewer,
  readServerVersion,
  rememberServerVersion,
} from './server-version.ts';

const HOST = '127.0.0.1';
const STOP_GRACE_MS = 10_000;

/** How to start the dev server; what is absent comes from `server-settings.json` or is chosen. */
export type DevServerOptions = {
  /** Path of a `temporal` CLI. */
  readonly executable: string;
  /** SQLite file; absent means in memory, forgotten when the server stops. */
  readonly dbFile?: string;
  /** First port to try for the frontend; the next free one is taken. Absent or 0: any free port. */
  readonly port?: number;
  /** The same for the web UI; `false` starts none. */
  readonly uiPort?: number | false;
  /** Where the server's output goes (appended). */
  readonly logFile: string;
  readonly namespace?: string;
  readonly retentionDays?: number;
  /** Added to the checked-in dynamic configuration. */
  readonly dynamicConfig?: ServerSettings['dynamicConfig'];
  /** Milliseconds until the server must answer; 60 s when absent. */
  readonly startTimeoutMs?: number;
};

/** A running dev server. */
export type DevServer = {
  readonly address: string;
  readonly port: number;
  /** Absent when no UI was asked for. */
  readonly uiUrl: string | undefined;
  readonly pid: number;
  readonly namespace: string;
  readonly version: ServerVersion;
  /** Ends it in order: SIGTERM, SIGKILL after 10 s. */
  stop(): Promise<void>;
  /** Ends it as a crash would: SIGKILL at once. */
  kill(): Promise<void>;
};

/**
 * Starts `temporal server start-dev` in a process group of its own, on 127.0.0.1 only, waits until
 * it answers, and applies the checked-in settings. The database file is in WAL mode: with the
 * default settings every step costs a commit to disk.
 *
 * @throws TemporalServerError `temporal-folder-newer`, `temporal-start-failed` or
 *   `temporal-start-timeout`, with the last lines of the log.
 */
export async function startDevServer(options: DevServerOptions): Promise<DevServer> {
  const checkedIn = await loadServerSettings();
  const dynamicConfig = { ...checkedIn.dynamicConfig, ...options.dynamicConfig };
  const settings = { ...checkedIn, dynamicConfig };
  const namespace = options.namespace ?? settings.namespace;
  const version = await readServerVersion(options.executable);
  if (options.dbFile !== undefined) {
    await assertFolderNotNewer(options.dbFile, version);
    await mkdir(dirname(options.dbFile), { recursive: true });
  }
  await mkdir(dirname(options.logFile), { recursive: true });
  const port = await findFreePort(options.port ?? 0);
  const uiPort =
    options.uiPort === false ? undefined : await findFreePort(options.uiPort ?? 0, new Set([port]));
  const child = await spawnServer(options, [
    ...devServerArguments(options.dbFile, port, uiPort, settings),
    '--namespace',
    namespace,
  ]);
  const pid = child.pid;
  if (pid === undefined) {
    throw new TemporalServerError(
      'temporal-not-runnable',
      `"${options.executable}" cannot be started; name a working temporal CLI.`,
    );
  }
  const address = `${HOST}:${port}`;
  try {
    await untilAnswering(address, child, options);
    await applyServerSettings(address, {
      settings,
      namespace,
      ...(options.retentionDays === undefined ? {} : { retentionDays: options.retentionDays }),
    });
    if (options.dbFile !== undefined) {
      await rememberServerVersion(options.dbFile, version);
    }
  } catch (error) {
    await endProcessGroup(pid, 0, 'SIGKILL');
    throw error;
  }
  return {
    address,
    port,
    uiUrl: uiPort === undefined ? undefined : `http://${HOST}:${uiPort}`,
    pid,
    namespace,
    version,
    stop: () => endProcessGroup(pid, STOP_GRACE_MS),
    kill: () => endProcessGroup(pid, 0, 'SIGKILL'),
  };
}

function devServerArguments(
  dbFile: string | undefined,
  port: number,
  uiPort: number | undefined,
  settings: ServerSettings,
): string[] {
  return [
    ...['server', 'start-dev', '--ip', HOST, '--port', String(port), '--log-level', 'error'],
    ...(uiPort === undefined
      ? ['--headless']
      : ['--ui-ip', HOST, '--ui-port', String(uiPort), '--ui-disable-news-fetch']),
    ...(dbFile === undefined
      ? []
      : ['--db-filename', dbFile, '--sqlite-pragma', 'journal_mode=wal']),
    ...(dbFile === undefined ? [] : ['--sqlite-pragma', 'synchronous=normal']),
    ...Object.entries(settings.dynamicConfig).flatMap(([key, value]) => [
      '--dynamic-config-value',
      `${key}=${JSON.stringify(value)}`,
    ]),
  ];
}

async function spawnServer(options: DevServerOptions, args: string[]): Promise<ChildProcess> {
  const log = await open(options.logFile, 'a');
  try {
    const child = spawn(options.executable, args, {
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    child.on('error', () => undefined);
    child.unref();
    return child;
  } finally {
    await log.close();
  }
}

async function untilAnswering(
  address: string,
  child: ChildProcess,
  options: DevServerOptions,
): Promise<void> {
  const timeoutMs = options.startTimeoutMs ?? 60_000;
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null || !isAlive(child.pid ?? 0)) {
      throw await startError('temporal-start-failed', 'ended while it started', options);
    }
    try {
      const connection = await Connection.connect({ address, connectTimeout: 1_000 });
      await connection.close();
      return;
    } catch {
      if (Date.now() > deadline) {
        const what = `did not answer on ${address} within ${timeoutMs / 1000} s`;
        throw await startError('temporal-start-timeout', what, options);
      }
      await sleep(50);
    }
  }
}

async function startError(
  code: 'temporal-start-failed' | 'temporal-start-timeout',
  what: string,
  options: DevServerOptions,
): Promise<TemporalServerError> {
  const log = await readFile(options.logFile, 'utf8').catch(() => '');
  const tail = log.trimEnd().split('\n').slice(-5).join('\n');
  return new TemporalServerError(
    code,
    `The Temporal dev server ${what}. Its log is ${options.logFile}; the last lines:\n${tail}`,
  );
}
