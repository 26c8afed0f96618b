import { runCommand } from './run-command.ts';
import { ToolError } from './tool-error.ts';
import { listExecutables } from './tool-on-path.ts';
import type { ToolRoom } from './tool-room.ts';

/**
 * Finds a Python 3 with pip: the ones on PATH in order, then the system's. A first `python3` that
 * cannot be run (a shim of another user, a broken environment) or has no pip is passed over.
 *
 * @param why - what Python is needed for, for the one line of the error.
 * @throws ToolError `tool-needs-python`.
 */
export async function getPython(room: ToolRoom, why: string): Promise<string> {
  const candidates = await listExecutables('python3', room.env, room.systemFolders);
  let hasPython = false;
  for (const path of candidates) {
    const python = await runCommand(
      path,
      ['-c', 'import sys; sys.exit(sys.version_info < (3, 8))'],
      {
        env: room.env,
        timeoutMs: 20_000,
      },
    );
    if (python.status !== 0) {
      continue;
    }
    hasPython = true;
    const pip = await runCommand(path, ['-m', 'pip', '--version'], {
      env: room.env,
      timeoutMs: 60_000,
    });
    if (pip.status === 0) {
      return path;
    }
  }
  throw new ToolError(
    'tool-needs-python',
    hasPython
      ? `pip is missing for Python 3: ${why}; install it (Debian, Ubuntu: apt-get install python3-pip).`
      : `Python 3 is missing: ${why}; install it (Debian, Ubuntu: apt-get install python3 python3-pip).`,
  );
}
