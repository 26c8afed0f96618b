/**
 * Runs Jest for the package in the current folder (Nx calls it through the package's `test`
 * script). Further arguments are passed on to Jest.
 */
import { spawn } from 'node:child_process';
import { repositoryRoot } from './workspaces.mjs';

const folder = process.cwd();
const args = ['node_modules/jest/bin/jest.js', '--passWithNoTests', ...process.argv.slice(2)];
const flags = '--experimental-vm-modules --disable-warning=ExperimentalWarning';
const child = spawn(process.execPath, [...args, '--testPathPatterns', `${escape(folder)}/`], {
  cwd: repositoryRoot,
  env: { ...process.env, NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} ${flags}`.trim() },
  stdio: 'inherit',
});
child.once('close', (status) => process.exit(status ?? 1));

function escape(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
