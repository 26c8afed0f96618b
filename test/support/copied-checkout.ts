import { execFile } from 'node:child_process';
import {
  access,
  copyFile,
  cp,
  mkdir,
  readdir,
  readFile,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const CHECKOUT = fileURLToPath(new URL('../../', import.meta.url));
const LEFT_OUT = new Set(['.git', '.nx', '.sluice', '.tools', 'coverage', 'node_modules', 'tmp']);

/** Whoever commits there. */
export const GIT_IDENTITY: Readonly<Record<string, string>> = {
  GIT_AUTHOR_NAME: 'Anna',
  GIT_AUTHOR_EMAIL: 'anna@example.com',
  GIT_COMMITTER_NAME: 'Anna',
  GIT_COMMITTER_EMAIL: 'anna@example.com',
};

/**
 * Copies this checkout as it is, built files and uncommitted changes included, into a git repository of its own with one
 * commit, where a test may make branches. Packages from outside are links.
 */
export async function copyCheckout(to: string): Promise<void> {
  await cp(CHECKOUT, to, {
    recursive: true,
    preserveTimestamps: true,
    filter: (path) => path === CHECKOUT || !LEFT_OUT.has(basename(path)),
  });
  await linkPackages(to);
  await mkdir(join(to, '.git', 'info'), { recursive: true });
  // Also where it is a link, which .gitignore's pattern for a folder does not mean.
  await writeFile(join(to, '.git', 'info', 'exclude'), 'node_modules\n');
  const env = { PATH: process.env['PATH'] ?? '', HOME: to, ...GIT_IDENTITY };
  const git = (...args: string[]) => promisify(execFile)('git', args, { cwd: to, env });
  await git('init', '--quiet', '--initial-branch', 'main');
  await git('add', '--all');
  await git('commit', '--quiet', '--message', 'As it is');
}

/** The repository's own packages are links into the copy, all others into this checkout's folder. */
async function linkPackages(to: string): Promise<void> {
  const from = join(CHECKOUT, 'node_modules');
  const target = join(to, 'node_modules');
  await mkdir(join(target, '@sluice'), { recursive: true });
  await mkdir(join(target, '.bin'));
  await symlink('../../apps/cli/bin/sluice.mjs', join(target, '.bin', 'sluice'));
  // What is installed stands there.
  await copyFile(join(from, '.package-lock.json'), join(target, '.package-lock.json'));
  for (const entry of await readdir(from)) {
    if (entry.startsWith('.') || entry === '@sluice') continue;
    await symlink(join(from, entry), join(target, entry));
  }
  const lock = JSON.parse(await readFile(join(CHECKOUT, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, { readonly link?: boolean; resolved?: string }>>;
  };
  for (const [path, { link, resolved }] of Object.entries(lock.packages)) {
    if (link !== true || resolved === undefined) continue;
    if (path.startsWith('node_modules/@sluice/')) await symlink(join(to, resolved), join(to, path));
    const nested = join(CHECKOUT, resolved, 'node_modules');
    const isThere = await access(nested).then(
      () => true,
      () => false,
    );
    if (isThere) await symlink(nested, join(to, resolved, 'node_modules'));
  }
}
