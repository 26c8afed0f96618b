import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { waitFor } from './wait-for.ts';

/** A Docker engine of a test's own. */
export interface DockerEngine {
  /** What `DOCKER_HOST` must say. */
  readonly host: string;
  stop(): Promise<void>;
}

/** True when a program is on PATH and answers. */
export function hasProgram(name: string, args: readonly string[]): boolean {
  return spawnSync(name, [...args], { stdio: 'ignore' }).status === 0;
}

/** Whether an engine can be started by hand: as root, with `dockerd` and `docker` on PATH. */
export function canStartDocker(): boolean {
  return (
    process.getuid?.() === 0 &&
    hasProgram('dockerd', ['--version']) &&
    hasProgram('docker', ['--version'])
  );
}

/**
 * Starts a Docker engine with a folder of its own and without touching the host's network; undefined
 * where {@link canStartDocker} says no.
 */
export async function startDockerEngine(folder: string): Promise<DockerEngine | undefined> {
  if (!canStartDocker()) return undefined;
  await mkdir(folder, { recursive: true });
  const host = `unix://${join(folder, 'docker.sock')}`;
  const engine = spawn(
    'dockerd',
    [
      ...['--host', host, '--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')],
      ...['--pidfile', join(folder, 'pid'), '--storage-driver', 'vfs', '--bridge', 'none'],
      ...['--iptables=false', '--ip6tables=false', '--ip-forward=false', '--ip-masq=false'],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let log = '';
  engine.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-3000);
  });
  await waitFor(
    'the Docker engine answers',
    () => engine.exitCode !== null || hasProgram('docker', ['--host', host, 'info']),
    { seconds: 60, everyMs: 500 },
  );
  if (engine.exitCode !== null) {
    throw new Error(`dockerd is here but does not start:\n${log}`);
  }
  return {
    host,
    stop: async () => {
      const closed = once(engine, 'close');
      engine.kill('SIGTERM');
      await closed;
    },
  };
}
