import { realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, isAbsolute, normalize, relative } from 'node:path';
import { type SandboxUser, SHOWN_PATHS } from '@sluice/sandbox';
import type { SettingsReader } from './settings.ts';

/** A file or folder of the worker's own, and the variable that names it. */
export interface OwnPath {
  readonly variable: string;
  readonly path: string;
}

/** The kernel's, processes' sockets and keys, the machine's configuration, and what is the sandbox's own: neither they nor what lies in them. */
const CLOSED = ['/boot', '/dev', '/etc', '/proc', '/root', '/run', '/sandbox', '/sys', '/var/run'];

/** Hold what belongs to many: something in them can be shown, they themselves can not. */
const WIDE = ['/home', '/mnt', '/media', '/opt', '/srv', '/tmp', '/var', '/var/lib', '/var/tmp'];

/** In anybody's home; neither they nor what lies in them. */
const OF_PEOPLE =
  /^\/home\/[^/]+\/\.(?:aws|azure|config|docker|gnupg|kube|netrc|password-store|ssh)(?:\/|$)/;

/**
 * The folders that scripts may read beside the system's programs; problems are told to the reader. Nothing may be among them that holds keys,
 * secrets or the machine's own state: neither as it is written nor where its links lead.
 * @param own of the worker: no folder may contain one, or lie in one
 */
export function readSandboxPaths(
  reader: SettingsReader,
  own: readonly OwnPath[],
): readonly string[] {
  const variable = 'SLUICE_SANDBOX_PATHS';
  const paths = (reader.optional(variable, '') as string)
    .split(delimiter)
    .filter((one) => one !== '');
  if (paths.some((path) => !isAbsolute(path))) {
    reader.refuse(
      `${variable} has a path that is not absolute: write absolute ones with ${delimiter} between them.`,
    );
    return [];
  }
  for (const path of paths) {
    const why = findFault(normalize(path), own) ?? findFault(realPath(path), own);
    if (why === undefined) continue;
    reader.refuse(
      `${variable} names ${path}: ${why}. Name the folders of tools alone, such as /opt/tools.`,
    );
  }
  return paths;
}

/**
 * Files and folders of the worker's own that every script sees, a sentence for each: a script of a worker that is not root has the worker's user id
 * outside of its namespaces, and could open them.
 */
export function listShownPaths(own: readonly OwnPath[]): readonly string[] {
  return own.flatMap((one) => {
    const ways = [normalize(one.path), realPath(one.path)];
    const shown = SHOWN_PATHS.find((folder) => ways.some((way) => contains(folder, way)));
    return shown === undefined
      ? []
      : [
          `${one.variable} names ${one.path}, which lies in ${shown}, and scripts see that: move it, for example below /etc/sluice or /var/lib/sluice.`,
        ];
  });
}

/** As whom scripts run: `other` is anybody but the worker's own user; null takes the worker's own where it is not root. */
export type ScriptUser = 'other' | SandboxUser | null;

const USER = /^([1-9]\d{0,9}):([1-9]\d{0,9})$/;
/** -1 stands for nobody in particular in system calls. */
const HIGHEST_ID = 4_294_967_294;

/** Reads `SLUICE_SCRIPT_USER`; a problem is told to the reader. */
export function readScriptUser(reader: SettingsReader): ScriptUser {
  const text = reader.optional('SLUICE_SCRIPT_USER', undefined);
  if (text === undefined || text === 'other') return text ?? null;
  const [, uid, gid] = USER.exec(text) ?? [];
  const user = { uid: Number(uid), gid: Number(gid) };
  if (user.uid <= HIGHEST_ID && user.gid <= HIGHEST_ID) return user;
  reader.refuse(
    `SLUICE_SCRIPT_USER is "${text.slice(0, 60)}": write other, or the numbers of a user and a group that are not root's, such as 2000:2000.`,
  );
  return null;
}

/** Why scripts must not see it; undefined when they may. */
function findFault(path: string, own: readonly OwnPath[]): string | undefined {
  if (path === '/') return 'scripts would see all of this machine';
  const closed = CLOSED.find((folder) => contains(folder, path) || contains(path, folder));
  if (closed !== undefined) return `scripts must not see ${closed}`;
  const wide = WIDE.find((folder) => contains(path, folder));
  if (wide !== undefined) return `${wide} holds what is not for scripts`;
  if (/^\/home\/[^/]+\/?$/.test(path) || contains(path, homedir())) {
    return "somebody's home holds what is not for scripts";
  }
  if (OF_PEOPLE.test(path)) return 'it holds what its owner signs in with';
  const mine = own.find((one) => isShared(path, one) || isShared(path, realOf(one)));
  if (mine !== undefined) return `scripts must not see what ${mine.variable} names (${mine.path})`;
  return undefined;
}

function isShared(path: string, own: OwnPath): boolean {
  return contains(path, normalize(own.path)) || contains(normalize(own.path), path);
}

function realOf(own: OwnPath): OwnPath {
  return { ...own, path: realPath(own.path) };
}

/** True where the path is the folder, or lies in it. */
function contains(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !way.startsWith('../'));
}

/** Where links lead; the path itself where there is nothing yet. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return normalize(path);
  }
}
