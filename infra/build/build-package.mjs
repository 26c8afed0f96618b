/**
 * Compiles the package in the current folder (Nx calls it through the package's `build` script);
 * in `workflows` it writes the workflow bundle too.
 */
import { relative, sep } from 'node:path';
import { compileWorkspace } from './compile.mjs';
import { writeStepRegistries } from './step-registries.mjs';
import { bundleWorkflows } from './workflow-bundle.mjs';
import { listWorkspaces, repositoryRoot } from './workspaces.mjs';

const folder = relative(repositoryRoot, process.cwd()).split(sep).join('/');
const workspaces = listWorkspaces();
const workspace = workspaces.find((candidate) => candidate.folder === folder);
if (!workspace) {
  console.error(`${process.cwd()} is not a workspace: run this in a package's folder.`);
  process.exit(1);
}
const registries = writeStepRegistries();
const compiled = await compileWorkspace(workspace);
const errors = [...registries.errors, ...compiled.errors];
if (folder === 'workflows') errors.push(...(await bundleWorkflows(workspaces)).errors);
for (const error of errors) console.error(error);
process.exitCode = errors.length > 0 ? 1 : 0;
