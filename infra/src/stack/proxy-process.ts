import { spawn } from 'node:child_process';
import { mkdir, open } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endProcessGroup } from '@sluice/temporal-server';
import { readLogSince } from '../embedded-postgres/data-folder.ts';
import { StackError } from './stack-error.ts';
import type { RunningPart } from './stack-parts.ts';

const READY_MS = 20_000;
const STOP_GRACE_MS = 5_000;

/** A program of somebody else's in front of the services, in its own process group. */
export type ProxyLaunch = {
  readonly name: string;
  /** Absolute. */
  readonly executable: string;
  readonly args: readonly string[];
  /** Of 127.0.0.1; it is ready when it takes connections there. */
  readonly port: number;
  /** Its output is appended. */
  readonly logFile: string;
};

/**
 * Starts a proxy and waits until it takes connections.
 *
 * @throws StackError `stack-part-failed` or `stack-part-timeout`, with the last lines of its log.
 */
export async function startProxy(
  launch: ProxyLaunch,
  onSpawn: (pid: number) => void,
): Promise<RunningPart> {
  const { name, executable, args, port, logFile } = launch;
  await mkdir(dirname(logFile), { recursive: true });
  const log = await open(logFile, 'a');
  const logOffset = (await log.stat()).size;
  const child = spawn(executable, [...args], {
    cwd: dirname(logFile),
    env: { PATH: process.env['PATH'] ?? '', HOME: dirname(logFile) },
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  });
  child.on('error', () => undefined);
  child.unref();
  await log.close();
  const { pid } = child;
  const failure = async (code: 'stack-part-failed' | 'stack-part-timeout', what: string) => {
    const tail = (await readLogSince(logFile, logOffset).catch(() => '')).trimEnd();
    const lines = tail.split('\n').slice(-6).join('\n');
    return new StackError(
      code,
      `The ${name} ${what}. Its log is ${logFile}; the last lines:\n${lines}`,
    );
  };
  if (pid === undefined) throw await failure('stack-part-failed', `could not be started`);
  onSpawn(pid);
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const deadline = Date.now() + READY_MS;
  while (!(await takesConnections(port))) {
    if (child.exitCode !== null || child.signalCode !== null) {
      const how = child.signalCode ?? `status ${child.exitCode}`;
      throw await failure('stack-part-failed', `ended while it started (${how})`);
    }
    if (Date.now() > deadline) {
      await endProcessGroup(pid, 1000);
      throw await failure('stack-part-timeout', `took no connection within ${READY_MS / 1000} s`);
    }
    await sleep(50);
  }
  return {
    pid,
    ended,
    stop: () => endProcessGroup(pid, STOP_GRACE_MS, 'SIGTERM', true),
    signal: async (signal) => {
      process.kill(-pid, signal);
      if (signal === 'SIGKILL') await ended;
    },
  };
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.setTimeout(500);
    const end = (taken: boolean): void => {
      socket.destroy();
      resolve(taken);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
    socket.once('timeout', () => end(false));
  });
}
