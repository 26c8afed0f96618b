import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { runCommand } from './run-command.ts';
import type { ToolRoom } from './tool-room.ts';
import type { LockedTool } from './tools-lock.ts';
import { isVersionInRange } from './version-range.ts';

/** A tool on PATH in a supported version. */
export type ToolOnPath = { readonly path: string; readonly version: string };

/**
 * Finds the first executable of that name on PATH that runs and has a supported version; others are
 * passed over with a progress line.
 */
export async function findToolOnPath(
  tool: LockedTool,
  room: ToolRoom,
): Promise<ToolOnPath | undefined> {
  // Daemons stand in a folder that is not on everybody's PATH.
  const folders = tool.origin.kind === 'debian' ? room.systemFolders : [];
  for (const path of await listExecutables(tool.name, room.env, folders)) {
    const version = await findVersion(path, tool.versionArguments, room);
    if (version !== undefined && isVersionInRange(version, tool.onPath)) {
      return { path, version };
    }
    room.progress(
      `${tool.name}: ${path} ${version === undefined ? 'does not run' : `is version ${version}`}, supported is ${tool.onPath}; not used`,
    );
  }
  return undefined;
}

/** Asks an executable for its version; absent when it does not run or prints none. */
export async function findVersion(
  path: string,
  args: readonly string[],
  room: ToolRoom,
): Promise<string | undefined> {
  const { status, output } = await runCommand(path, args, { env: room.env, timeoutMs: 30_000 });
  return status === 0 ? /(\d+\.\d+\.\d+)/.exec(output)?.[1] : undefined;
}

/** Lists the executables of that name in the order of PATH, then in extra folders; each once. */
export async function listExecutables(
  name: string,
  env: Readonly<Record<string, string | undefined>>,
  extraFolders: readonly string[] = [],
): Promise<string[]> {
  const folders = (env['PATH'] ?? '').split(delimiter).filter(isAbsolute);
  const found: string[] = [];
  for (const folder of new Set([...folders, ...extraFolders])) {
    const path = join(folder, name);
    if (await isExecutable(path)) {
      found.push(path);
    }
  }
  return found;
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
