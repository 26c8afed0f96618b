import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { digest, writeWhole } from './compile.mjs';
import { listFiles, readJson } from './workspaces.mjs';

const require = createRequire(import.meta.url);

/** In the folder of `temporal/client`. */
const INTERCEPTORS = 'workflow-interceptors.cjs';

/**
 * Bundles the workflows' compiled code for the worker: `dist/workflow-bundle.js` and beside it
 * `dist/workflow-bundle.json` with `{digest, buildId, inputs}`. `digest` is the SHA-256 of the
 * bundle without its source map (which holds absolute paths); `buildId` is short and comes from
 * what was bundled. Both are the same wherever the same sources are built.
 * Nothing is done when there are no workflows yet or nothing that goes into the bundle changed.
 * Optional entries beside `dist/index.js`: `payload-converter.js` and `failure-converter.js`; and
 * `workflow-interceptors.cjs` of `temporal/client`: workflow interceptors.
 *
 * @param {{ path: string, name: string, manifest: any }[]} workspaces all of the repository's
 * @returns {Promise<{ bundled: boolean, errors: string[] }>}
 */
export async function bundleWorkflows(workspaces) {
  const workflows = workspaces.find(({ folder }) => folder === 'workflows');
  const entry = workflows && join(workflows.path, 'dist', 'index.js');
  if (!entry || !existsSync(entry)) return { bundled: false, errors: [] };

  const output = join(workflows.path, 'dist', 'workflow-bundle.js');
  const metadataFile = join(workflows.path, 'dist', 'workflow-bundle.json');
  const tracing = workspaces.find(({ folder }) => folder === 'temporal/client');
  const interceptors = tracing && existing(join(tracing.path, INTERCEPTORS));
  const inputs = digestInputs(workflows, workspaces, interceptors && tracing);
  if (existsSync(output) && existsSync(metadataFile)) {
    const known = readMetadata(metadataFile);
    if (known.inputs === inputs && known.digest === digestCode(readFileSync(output, 'utf8'))) {
      return { bundled: false, errors: [] };
    }
  }

  const optional = (name) => existing(join(workflows.path, 'dist', name));
  const payloadConverterPath = optional('payload-converter.js');
  const failureConverterPath = optional('failure-converter.js');
  const messages = [];
  const record = (level) => (message) => messages.push(`${level}: ${message}`);
  const silent = () => {};
  try {
    const { bundleWorkflowCode } = await import('@temporalio/worker');
    const { code } = await bundleWorkflowCode({
      workflowsPath: entry,
      ...(interceptors && { workflowInterceptorModules: [interceptors] }),
      ...(payloadConverterPath && { payloadConverterPath }),
      ...(failureConverterPath && { failureConverterPath }),
      logger: {
        log: silent,
        trace: silent,
        debug: silent,
        info: silent,
        warn: record('warning'),
        error: record('error'),
      },
    });
    writeWhole(output, code);
    const metadata = { digest: digestCode(code), buildId: inputs.slice(0, 16), inputs };
    writeWhole(metadataFile, `${JSON.stringify(metadata, null, 2)}\n`);
    return { bundled: true, errors: [] };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { bundled: false, errors: [['workflow bundle: ', text, ...messages].join('\n  ')] };
  }
}

/**
 * The workspaces that go into the bundle: the workflows', and what it depends on.
 *
 * @param {{ path: string, name: string, folder: string, manifest: any }[]} workspaces all of the repository's
 */
export function listBundled(workspaces) {
  const byName = new Map(workspaces.map((workspace) => [workspace.name, workspace]));
  const found = new Set();
  const visit = (workspace) => {
    if (!workspace || found.has(workspace)) return;
    found.add(workspace);
    for (const name of Object.keys(workspace.manifest.dependencies ?? {})) visit(byName.get(name));
  };
  visit(workspaces.find(({ folder }) => folder === 'workflows'));
  return [...found];
}

function digestCode(code) {
  return digest(code.replace(/\n\/\/# sourceMappingURL=[^\n]*\s*$/, ''));
}

function existing(path) {
  return existsSync(path) ? path : undefined;
}

/**
 * Digest of everything that decides what the bundle does: compiled code and package versions. Of the package that
 * traces only its one module goes into the bundle.
 */
function digestInputs(workflows, workspaces, tracing) {
  const byName = new Map(workspaces.map((workspace) => [workspace.name, workspace]));
  const packages = new Map();
  const external = new Map([['@temporalio/worker', packageVersion('@temporalio/worker')]]);
  const visit = (workspace) => {
    if (packages.has(workspace.name)) return;
    packages.set(workspace.name, workspace);
    for (const name of Object.keys(workspace.manifest.dependencies ?? {})) {
      const next = byName.get(name);
      if (next) visit(next);
      else external.set(name, packageVersion(name));
    }
  };
  visit(workflows);
  if (tracing) {
    for (const name of Object.keys(tracing.manifest.dependencies ?? {})) {
      if (!byName.has(name)) external.set(name, packageVersion(name));
    }
  }
  const lines = [...external].sort().map(([name, version]) => `${name}@${version}`);
  if (tracing) {
    const code = readFileSync(join(tracing.path, INTERCEPTORS));
    lines.push(`${tracing.name}/${INTERCEPTORS} ${digest(code)}`);
  }
  for (const [name, { path }] of [...packages].sort(([a], [b]) => (a < b ? -1 : 1))) {
    for (const file of listFiles(join(path, 'dist'))) {
      if (!file.endsWith('.js') || file === 'workflow-bundle.js') continue;
      lines.push(`${name}/${file} ${digest(readFileSync(join(path, 'dist', file)))}`);
    }
  }
  return digest(lines.join('\n'));
}

function packageVersion(name) {
  // `package.json` is not always exported, so look for the folder where Node would.
  for (const folder of require.resolve.paths(name) ?? []) {
    const manifest = join(folder, name, 'package.json');
    if (existsSync(manifest)) return readJson(manifest).version;
  }
  return 'absent';
}

function readMetadata(path) {
  try {
    return readJson(path);
  } catch {
    return {};
  }
}
