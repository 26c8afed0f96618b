import { readFile, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCommand } from './run-command.ts';
import { ToolError } from './tool-error.ts';
import { findToolOnPath, listExecutables } from './tool-on-path.ts';
import type { ToolRoom } from './tool-room.ts';
import type { DebianOrigin, LockedTool } from './tools-lock.ts';

const UPDATE_TIMEOUT_MS = 5 * 60_000;
const INSTALL_TIMEOUT_MS = 10 * 60_000;
const SERVICE_TIMEOUT_MS = 30_000;
const LOCK_WAIT_SECONDS = 300;

/** What tells Debian to start no service. */
const NO_SERVICES = '#!/bin/sh\nexit 101\n';

/**
 * A tool that belongs to the system, because other users must be able to run it: installed with apt, by root alone. The
 * distribution's signatures vouch for it; it is where PATH finds it then.
 *
 * @throws ToolError `tool-needs-apt`, `tool-download-failed` or `tool-not-runnable`.
 */
export async function getDebianTool(
  tool: LockedTool,
  origin: DebianOrigin,
  room: ToolRoom,
): Promise<{ readonly path: string; readonly version: string }> {
  const aptGet = (await listExecutables('apt-get', room.env, room.systemFolders))[0];
  if (aptGet === undefined || !room.isRoot) {
    throw new ToolError(
      'tool-needs-apt',
      `${tool.name} ${tool.onPath} is missing: it ${tool.purpose}; as root: apt-get install ${origin.package}`,
    );
  }
  const apt = async (args: readonly string[], timeoutMs: number): Promise<void> => {
    const { status, output } = await runCommand(
      aptGet,
      ['-q', '-y', '-o', `DPkg::Lock::Timeout=${LOCK_WAIT_SECONDS}`, ...args],
      { env: { ...room.env, DEBIAN_FRONTEND: 'noninteractive' }, timeoutMs },
    );
    if (status === 0) return;
    const said = output.trim().split('\n').slice(-3).join(' | ');
    throw new ToolError(
      'tool-download-failed',
      `${tool.name} could not be installed: apt-get ${args[0]} said "${said}"; check apt's sources and the network, or put ${tool.name} ${tool.onPath} on PATH.`,
    );
  };
  const install = ['install', '--no-install-recommends', origin.package];
  room.progress(`${tool.name}: installing Debian's ${origin.package} with apt-get …`);
  await withServicesOff(origin.service, room, async () => {
    try {
      await apt(install, INSTALL_TIMEOUT_MS);
    } catch {
      // Fresh machines have no lists, and old lists name packages that are gone.
      await apt(['update'], UPDATE_TIMEOUT_MS);
      await apt(install, INSTALL_TIMEOUT_MS);
    }
  });
  const found = await findToolOnPath(tool, room);
  if (found === undefined) {
    throw new ToolError(
      'tool-not-runnable',
      `${origin.package} was installed, and no ${tool.name} ${tool.onPath} is on PATH; put the official release there.`,
    );
  }
  return found;
}

/** Debian starts and enables the service of a package that is installed, unless it is told not to. */
async function withServicesOff(
  service: string | undefined,
  room: ToolRoom,
  install: () => Promise<void>,
): Promise<void> {
  if (service === undefined) return install();
  const isOurs = await claimPolicy(room.servicePolicyFile);
  try {
    await install();
    const [systemctl] = await listExecutables('systemctl', room.env, room.systemFolders);
    if (systemctl !== undefined) {
      await runCommand(systemctl, ['disable', service], {
        env: room.env,
        timeoutMs: SERVICE_TIMEOUT_MS,
      });
    }
  } finally {
    if (isOurs) await rm(room.servicePolicyFile, { force: true });
  }
}

/** False when the host has a policy of its own, which stays. Another installation of ours is waited for. */
async function claimPolicy(file: string): Promise<boolean> {
  const until = Date.now() + LOCK_WAIT_SECONDS * 1000;
  for (;;) {
    try {
      await writeFile(file, NO_SERVICES, { flag: 'wx', mode: 0o755 });
      return true;
    } catch {
      const there = await readFile(file, 'utf8').catch(() => '');
      if (there !== NO_SERVICES && there !== '') return false;
      // One that was killed left it.
      if (Date.now() > until) return there === NO_SERVICES;
      await sleep(200);
    }
  }
}
