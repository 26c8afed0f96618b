import { access, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { runCommand } from './run-command.ts';
import { ToolError } from './tool-error.ts';
import { findVersion, listExecutables } from './tool-on-path.ts';
import type { ToolRoom } from './tool-room.ts';
import type { GoOrigin, LockedTool } from './tools-lock.ts';
import { placeFolder } from './wheel-tool.ts';

const BUILD_TIMEOUT_MS = 20 * 60_000;

/** The executable when it was built into the cache. */
export async function findGoTool(
  tool: LockedTool,
  origin: GoOrigin,
  room: ToolRoom,
): Promise<string | undefined> {
  const cached = join(folderOf(tool, room), basename(origin.module));
  return (await exists(cached)) ? cached : undefined;
}

/**
 * The executable of a tool that is built with `go install`: from the cache, else built into it. The
 * module and all it depends on are checked by Go itself against the Go checksum database; that is
 * the trust here, there is no sum of ours.
 *
 * @throws ToolError `tool-needs-go`, `tool-download-failed` or `tool-not-runnable`.
 */
export async function getGoTool(
  tool: LockedTool,
  origin: GoOrigin,
  room: ToolRoom,
): Promise<string> {
  const name = basename(origin.module);
  const folder = folderOf(tool, room);
  const cached = join(folder, name);
  if (await exists(cached)) {
    return cached;
  }
  const go = (await listExecutables('go', room.env, ['/usr/local/go/bin', '/usr/bin']))[0];
  if (go === undefined) {
    throw new ToolError(
      'tool-needs-go',
      `Go is missing: it builds ${tool.name} ${tool.version} (it ${tool.purpose}); install Go, or put ${tool.name} ${tool.onPath} on PATH.`,
    );
  }
  await mkdir(join(room.cacheFolder, 'tools'), { recursive: true });
  const workFolder = await mkdtemp(join(room.cacheFolder, 'tools', '.new-'));
  const fresh = join(workFolder, 'bin');
  try {
    await build(tool, origin, go, fresh, room);
    const version = await findVersion(join(fresh, name), tool.versionArguments, room);
    if (version !== tool.version) {
      throw new ToolError(
        'tool-not-runnable',
        `${tool.name} was built from ${origin.module}@${origin.version} but says version ${version ?? 'nothing'}, not ${tool.version}; look at ${go}.`,
      );
    }
    await placeFolder(fresh, folder, () => exists(cached));
  } finally {
    await rm(workFolder, { recursive: true, force: true });
  }
  return cached;
}

async function build(
  tool: LockedTool,
  origin: GoOrigin,
  go: string,
  bin: string,
  room: ToolRoom,
): Promise<void> {
  const started = Date.now();
  room.progress(
    `${tool.name} ${tool.version}: building ${origin.module}@${origin.version} with go install (minutes the first time) …`,
  );
  const { status, output } = await runCommand(
    go,
    [
      'install',
      ...(origin.versionVariable === undefined
        ? []
        : ['-ldflags', `-X ${origin.versionVariable}=${origin.version}`]),
      `${origin.module}@${origin.version}`,
    ],
    {
      env: { ...room.env, GOBIN: bin, GOFLAGS: '-mod=mod', GOOS: undefined, GOARCH: undefined },
      timeoutMs: BUILD_TIMEOUT_MS,
      onTick: (seconds) => {
        if (seconds % 20 < 5) {
          room.progress(`${tool.name} ${tool.version}: still building, ${seconds} s`);
        }
      },
    },
  );
  if (status !== 0) {
    throw new ToolError(
      'tool-download-failed',
      `${tool.name} ${tool.version} could not be built: go said "${output.trim().split('\n').slice(-3).join(' | ')}"; check the network and GOPROXY, or put ${tool.name} ${tool.onPath} on PATH.`,
    );
  }
  const sumdb = await runCommand(go, ['env', 'GOSUMDB'], { env: room.env, timeoutMs: 30_000 });
  const trust =
    sumdb.output.trim() === 'off'
      ? 'NOT checked by a checksum database: GOSUMDB is off here'
      : `module checked by the Go checksum database (${sumdb.output.trim()})`;
  room.progress(
    `${tool.name} ${tool.version}: built in ${((Date.now() - started) / 1000).toFixed(0)} s, ${trust}`,
  );
}

function folderOf(tool: LockedTool, room: ToolRoom): string {
  return join(room.cacheFolder, 'tools', `${tool.name}-${tool.version}-go-${room.platform}`);
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch {
    return false;
  }
}
