import { runCommand } from './run-command.ts';
import { ToolError } from './tool-error.ts';
import { findToolOnPath, listExecutables } from './tool-on-path.ts';
import type { ToolRoom } from './tool-room.ts';
import type { DebianOrigin, LockedTool } from './tools-lock.ts';

const UPDATE_TIMEOUT_MS = 5 * 60_000;
const INSTALL_TIMEOUT_MS = 10 * 60_000;
const LOCK_WAIT_SECONDS = 300;

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
  try {
    await apt(install, INSTALL_TIMEOUT_MS);
  } catch {
    // Fresh machines have no lists, and old lists name packages that are gone.
    await apt(['update'], UPDATE_TIMEOUT_MS);
    await apt(install, INSTALL_TIMEOUT_MS);
  }
  const found = await findToolOnPath(tool, room);
  if (found === undefined) {
    throw new ToolError(
      'tool-not-runnable',
      `${origin.package} was installed, and no ${tool.name} ${tool.onPath} is on PATH; put the official release there.`,
    );
  }
  return found;
}
