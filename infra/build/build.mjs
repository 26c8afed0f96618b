/**
 * Compiles every workspace and bundles the workflows, in this one process and incrementally.
 *
 *   node infra/build/build.mjs [--quiet] [--workflows]
 *
 * With `--workflows` only what the workflow bundle is made of.
 *
 * Messages go to standard error; the status is 1 when anything could not be built.
 */
import { compileWorkspace } from './compile.mjs';
import { writeStepRegistries } from './step-registries.mjs';
import { bundleWorkflows, listBundled } from './workflow-bundle.mjs';
import { isEntry, listWorkspaces } from './workspaces.mjs';

/**
 * Builds all packages.
 *
 * @param {{ root?: string, generate?: boolean, onlyWorkflows?: boolean }} [options] with `generate: false`
 *   what is generated and committed is taken as it lies there; with `onlyWorkflows` nothing is compiled that does
 *   not go into the workflow bundle
 * @returns {Promise<{ compiled: number, deleted: number, bundled: boolean, errors: string[] }>}
 */
export async function buildAll({ root, generate = true, onlyWorkflows = false } = {}) {
  const registries = generate ? writeStepRegistries(root) : { errors: [] };
  const workspaces = listWorkspaces(root);
  const wanted = onlyWorkflows ? listBundled(workspaces) : workspaces;
  const results = await Promise.all(wanted.map(compileWorkspace));
  const errors = [...registries.errors, ...results.flatMap((result) => result.errors)];
  const sum = (name) => results.reduce((total, result) => total + result[name], 0);
  const bundle = await bundleWorkflows(workspaces);
  return {
    compiled: sum('compiled'),
    deleted: sum('deleted'),
    bundled: bundle.bundled,
    errors: [...errors, ...bundle.errors],
  };
}

if (isEntry(import.meta.url)) {
  const started = performance.now();
  const onlyWorkflows = process.argv.includes('--workflows');
  const result = await buildAll({ onlyWorkflows, generate: !onlyWorkflows });
  for (const error of result.errors) console.error(error);
  if (!process.argv.includes('--quiet')) {
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    const bundle = result.bundled ? ', workflow bundle written' : '';
    const outcome = result.errors.length > 0 ? `${result.errors.length} errors` : 'ok';
    console.error(
      `build: ${result.compiled} compiled, ${result.deleted} deleted${bundle}, ${seconds} s, ${outcome}`,
    );
  }
  process.exitCode = result.errors.length > 0 ? 1 : 0;
}
