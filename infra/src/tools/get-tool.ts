import { getDebianTool } from './debian-tool.ts';
import { findGoTool, getGoTool } from './go-tool.ts';
import { findToolOnPath } from './tool-on-path.ts';
import type { ToolRoom } from './tool-room.ts';
import { getToolRoom } from './tool-room.ts';
import type { ToolsLock } from './tools-lock.ts';
import { getLockedTool, loadToolsLock } from './tools-lock.ts';
import { getWheelTool } from './wheel-tool.ts';

/** A tool that can be run. */
export type Tool = {
  readonly name: string;
  /** Absolute path of the executable. */
  readonly path: string;
  readonly version: string;
  /**
   * `path`: found on PATH, or put there now by the system's packager. `cache`: the locked version from the cache folder, downloaded or built
   * now when it was not there.
   */
  readonly from: 'path' | 'cache';
};

/** What a caller may replace; absent means the real lock and this machine. */
export type GetToolOptions = { readonly lock?: ToolsLock; readonly room?: Partial<ToolRoom> };

/** A tool of the lock where it is already: on PATH, or built into the cache. Nothing is got. */
export async function findTool(
  name: string,
  options: GetToolOptions = {},
): Promise<Tool | undefined> {
  const room = getToolRoom(options.room);
  const tool = getLockedTool(options.lock ?? (await loadToolsLock()), name);
  const onPath = await findToolOnPath(tool, room);
  if (onPath !== undefined) {
    return { name, path: onPath.path, version: onPath.version, from: 'path' };
  }
  if (tool.origin.kind !== 'go') return undefined;
  const path = await findGoTool(tool, tool.origin, room);
  return path === undefined ? undefined : { name, path, version: tool.version, from: 'cache' };
}

/** The line that installs a tool: what to say where it is missing. */
export async function getInstallLine(name: string, options: GetToolOptions = {}): Promise<string> {
  const tool = getLockedTool(options.lock ?? (await loadToolsLock()), name);
  switch (tool.origin.kind) {
    case 'debian':
      return `apt-get install ${tool.origin.package}`;
    case 'go':
      return `go install ${tool.origin.module}@${tool.origin.version}`;
    default:
      return `node infra/dist/tools/main.js --for ${tool.for[0]}`;
  }
}

/**
 * Gives a tool of the lock: one on PATH in a supported version, else the locked version from the
 * cache, else downloaded or built and checked. Safe to call from several processes at once;
 * progress goes to standard error.
 *
 * @throws ToolError with one line that says what is missing, why it is needed and how to get it.
 */
export async function getTool(name: string, options: GetToolOptions = {}): Promise<Tool> {
  const room = getToolRoom(options.room);
  const tool = getLockedTool(options.lock ?? (await loadToolsLock()), name);
  const onPath = await findToolOnPath(tool, room);
  if (onPath !== undefined) {
    return { name, path: onPath.path, version: onPath.version, from: 'path' };
  }
  if (tool.origin.kind === 'debian') {
    return { name, ...(await getDebianTool(tool, tool.origin, room)), from: 'path' };
  }
  const path =
    tool.origin.kind === 'wheel'
      ? await getWheelTool(tool, tool.origin, room)
      : await getGoTool(tool, tool.origin, room);
  return { name, path, version: tool.version, from: 'cache' };
}
