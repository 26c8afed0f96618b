import { lstat, readlink } from 'node:fs/promises';
import type { SandboxRun } from './sandbox-run.ts';

/** The script's own tree; all of it counts as disk. */
export const SCRIPT_ROOT = '/sandbox';
/** Where it starts. */
export const SCRIPT_FOLDER = '/sandbox/work';
/** Where its secrets are. */
export const SECRETS_FOLDER = '/run/secrets';
/** Where it puts its outputs, in its folder. */
export const OUTPUTS_FILE = 'outputs.json';

/** Folders of programs; links among them (a merged /usr) are made again as links. */
const PROGRAMS = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];

/** What programs need of /etc and what tells nobody anything. */
const SETTINGS = [
  '/etc/ld.so.cache',
  '/etc/ld.so.conf',
  '/etc/ld.so.conf.d',
  '/etc/alternatives',
  '/etc/localtime',
  '/etc/mime.types',
  '/etc/ssl/certs',
  '/etc/ssl/openssl.cnf',
  '/etc/pki/tls/certs',
  '/etc/pki/ca-trust/extracted',
  '/nix/store',
];
/** What of this machine every script may read, as far as its owner's user may: nothing that is kept from scripts belongs there. */
export const SHOWN_PATHS: readonly string[] = ['/usr', ...PROGRAMS, ...SETTINGS];

const NETWORK_SETTINGS = ['/etc/resolv.conf', '/etc/hosts', '/etc/services', '/etc/protocols'];

/** Files of /etc that are made for the sandbox. */
export const MADE_SETTINGS: ReadonlyMap<string, string> = new Map([
  ['/etc/passwd', 'script:x:1000:1000:script:/sandbox/work:/bin/sh\n'],
  ['/etc/group', 'script:x:1000:\n'],
  ['/etc/nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files dns\n'],
]);

const SHARED_MEMORY_BYTES = 64 * 1024 * 1024;

/** bubblewrap's arguments for namespaces and privileges: everything of its own, nothing kept. */
export function namespaceArguments(network: SandboxRun['network']): string[] {
  return [
    ...['--unshare-user', '--unshare-all', '--disable-userns'],
    ...(network === 'host' ? ['--share-net'] : []),
    ...['--uid', '1000', '--gid', '1000', '--hostname', 'sandbox', '--cap-drop', 'ALL'],
    ...['--die-with-parent', '--new-session', '--clearenv'],
  ];
}

/** bubblewrap's arguments for what of this machine is seen, and for the script's own tree. */
export async function mountArguments(
  run: Pick<SandboxRun, 'network' | 'limits'>,
  readOnlyPaths: readonly string[],
): Promise<string[]> {
  const args = ['--ro-bind', '/usr', '/usr'];
  for (const folder of PROGRAMS) args.push(...(await programArguments(folder)));
  const paths = [...SETTINGS, ...(run.network === 'host' ? NETWORK_SETTINGS : [])];
  for (const path of paths) args.push('--ro-bind-try', path, path);
  const seen = (path: string): string[] => ['--ro-bind', path, path];
  const isTemporary = (path: string): boolean => path.startsWith('/tmp/');
  args.push(...readOnlyPaths.filter((path) => !isTemporary(path)).flatMap(seen));
  const sharedMemory = Math.min(run.limits.diskBytes, SHARED_MEMORY_BYTES);
  return [
    ...args,
    ...['--proc', '/proc', '--dev', '/dev'],
    ...['--perms', '1777', '--size', `${sharedMemory}`, '--tmpfs', '/dev/shm'],
    ...['--remount-ro', '/dev'],
    ...['--perms', '0755', '--size', `${run.limits.diskBytes}`, '--tmpfs', SCRIPT_ROOT],
    ...['--dir', SCRIPT_FOLDER, '--perms', '1777', '--dir', `${SCRIPT_ROOT}/tmp`],
    ...['--symlink', `${SCRIPT_ROOT.slice(1)}/tmp`, '/tmp'],
    // `/tmp` is a link into the script's own tree: what is seen below it comes after.
    ...readOnlyPaths.filter(isTemporary).flatMap(seen),
  ];
}

async function programArguments(folder: string): Promise<string[]> {
  const stats = await lstat(folder).catch(() => undefined);
  if (stats === undefined) return [];
  if (stats.isSymbolicLink()) return ['--symlink', await readlink(folder), folder];
  return ['--ro-bind', folder, folder];
}
