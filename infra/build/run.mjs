/**
 * Builds what changed, then runs a program of the repository:
 *
 *   node infra/build/run.mjs test/bench promotion --json
 *
 * The first argument names the program by its source: `<package>/<path>` is
 * `<package>/src/<path>/main.ts` (or `<package>/src/<path>.ts`) compiled to `dist`, or the script
 * `<package>/<path>/main.mjs`. Standard output belongs to the program; its status is passed on.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { ensureInstalled } from './install.mjs';
import { listWorkspaces, repositoryRoot } from './workspaces.mjs';

const [name, ...args] = process.argv.slice(2);
if (!name) {
  console.error('Name the program to run, for example: node infra/build/run.mjs test/bench');
  process.exit(2);
}
await ensureInstalled();
const { buildAll } = await import('./build.mjs');
const { errors } = await buildAll();
if (errors.length > 0) {
  console.error(errors.join('\n'));
  process.exit(1);
}
const program = findProgram(name);
if (!program) {
  console.error(`There is no program ${name}: neither ${name}/main.mjs nor a main.ts in its src.`);
  process.exit(2);
}
const child = spawn(process.execPath, ['--enable-source-maps', program, ...args], {
  stdio: 'inherit',
});
// The terminal sends Ctrl-C to the program as well: let it end in order, and wait for it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  });
}
child.once('close', (status, signal) => {
  process.exit(status ?? 128 + (constants.signals[signal] ?? 0));
});

function findProgram(source) {
  const workspace = listWorkspaces().find(({ folder }) => source.startsWith(`${folder}/`));
  const compiled = workspace
    ? [
        `${source.slice(workspace.folder.length + 1)}/main.js`,
        `${source.slice(workspace.folder.length + 1)}.js`,
      ].map((file) => join(workspace.path, 'dist', file))
    : [];
  return [...compiled, join(repositoryRoot, source, 'main.mjs')].find((path) => existsSync(path));
}
