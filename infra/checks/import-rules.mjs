import { join } from 'node:path';
import { listFiles, listWorkspaces, readJson, repositoryRoot } from '../build/workspaces.mjs';

const tableFile = new URL('./import-table.json', import.meta.url);
/** Specs, and what they alone import beside the code. */
const specFile = '\\.(spec|fixture)\\.ts$';

/**
 * Turns the import table (`import-table.json`: who may import whom) and the packages' own
 * `package.json` files into dependency-cruiser rules. Specs beside the code may import what they
 * need, except an app's inside.
 *
 * @param {{ name: string, folder: string, manifest: any }[]} workspaces
 * @param {{ devDependencies?: Record<string, string> }} rootManifest
 * @param {any} [table]
 * @returns {any[]} `forbidden` rules; a rule's name begins with the importing row
 */
export function createImportRules(workspaces, rootManifest, table = readTable()) {
  const folders = workspaces.map(({ folder }) => folder);
  const named = new Set(
    [...table.rows.flatMap((row) => row.from), ...Object.values(table.groups).flat()].filter(
      (pattern) => !pattern.endsWith('/*'),
    ),
  );
  // `libs/*` means the capability libs: those that no other row or group names.
  const expand = (pattern) =>
    pattern.endsWith('/*')
      ? folders.filter((name) => name.startsWith(pattern.slice(0, -1)) && !named.has(name))
      : [pattern];
  const resolveTarget = (target) => (table.groups[target] ?? [target]).flatMap(expand);

  const rules = [];
  const covered = new Set();
  for (const row of table.rows) {
    const importers = row.from.flatMap(expand).filter((folder) => folders.includes(folder));
    if (importers.length === 0) continue;
    for (const importer of importers) covered.add(importer);
    const name = row.from.join(', ');
    const from = { path: `^(${alternatives(importers)})/`, pathNot: specFile };
    const refused = row.not ?? [];
    const allowed = row.imports.flatMap(resolveTarget).filter((f) => !refused.includes(f));
    const rest = folders.filter((folder) => !allowed.includes(folder));
    rules.push({
      name: `${name}: packages`,
      severity: 'error',
      from,
      to: { path: `^(${alternatives(rest)})/`, pathNot: ['^$1/', '/node_modules/'] },
    });
    if (!row.node) {
      const to = { dependencyTypes: ['core'] };
      rules.push({ name: `${name}: node builtins`, severity: 'error', from, to });
    }
    if (row.npm !== 'declared') {
      const packages = row.npm.flatMap((list) => table.lists[list]);
      const pathNot = packages.length > 0 ? [inPackages(packages)] : ['^$'];
      const to = { path: nodeModules, pathNot };
      rules.push({ name: `${name}: npm packages`, severity: 'error', from, to });
    }
  }
  for (const folder of folders.filter((candidate) => !covered.has(candidate))) {
    rules.push({
      name: `${folder}: has no row in the import table`,
      severity: 'error',
      from: { path: `^${escape(folder)}/` },
      to: {},
    });
  }
  return [...rules, ...createGeneralRules(), ...createDeclaredRules(workspaces, rootManifest)];
}

/** Reads the table from its configuration file. */
export function readTable() {
  return readJson(tableFile);
}

/**
 * Checks a repository's imports against the table.
 *
 * @param {string} [root] absolute path of the repository
 * @returns {Promise<{ violations: { rule: string, from: string, to: string }[], modules: number }>}
 */
export async function checkImports(root = repositoryRoot) {
  const { cruise } = await import('dependency-cruiser');
  const workspaces = listWorkspaces(root);
  const rules = createImportRules(workspaces, readJson(join(root, 'package.json')));
  const sources = workspaces.flatMap(({ folder, path }) =>
    listFiles(path)
      .filter((file) => isChecked(file, folder))
      .map((file) => `${folder}/${file}`),
  );
  const result = await cruise(sources, {
    baseDir: root,
    ruleSet: { forbidden: rules },
    validate: true,
    tsPreCompilationDeps: true,
    combinedDependencies: true,
    doNotFollow: { path: ['node_modules', '(^|/)dist/'] },
    enhancedResolveOptions: {
      conditionNames: ['sluice-source', 'import', 'node', 'default', 'types'],
      exportsFields: ['exports'],
      extensions: ['.ts', '.mjs', '.js', '.cjs', '.json', '.d.ts'],
    },
  });
  const violations = result.output.summary.violations.map(({ rule, from, to }) => ({
    rule: rule.name,
    from,
    to,
  }));
  const cycles = findPackageCycles(workspaces).map((cycle) => ({
    rule: 'packages: no cycles',
    from: cycle[0],
    to: cycle.join(' → '),
  }));
  return { violations: [...violations, ...cycles], modules: sources.length };
}

/**
 * Finds cycles among the packages' declared dependencies.
 *
 * @param {{ name: string, manifest: any }[]} workspaces
 * @returns {string[][]} each cycle once, its first package repeated at the end
 */
export function findPackageCycles(workspaces) {
  const edges = new Map(
    workspaces.map(({ name, manifest }) => [name, Object.keys(manifest.dependencies ?? {})]),
  );
  const cycles = [];
  const finished = new Set();
  const visit = (name, path) => {
    if (path.includes(name)) {
      cycles.push([...path.slice(path.indexOf(name)), name]);
      return;
    }
    if (finished.has(name) || !edges.has(name)) return;
    for (const next of edges.get(name)) visit(next, [...path, name]);
    finished.add(name);
  };
  for (const name of edges.keys()) visit(name, []);
  return cycles;
}

const nodeModules = '(^|/)node_modules/';

function createGeneralRules() {
  const elsewhere = { path: '^((libs|temporal|apps)/[^/]+|[^/]+)/' };
  return [
    {
      name: 'apps: nobody imports an app',
      severity: 'error',
      from: { pathNot: '^apps/' },
      to: { path: '^apps/', pathNot: nodeModules },
    },
    {
      name: 'apps: no app imports another',
      severity: 'error',
      from: { path: '^(apps/[^/]+)/' },
      to: { path: '^apps/', pathNot: ['^$1/', nodeModules] },
    },
    {
      name: 'packages: only through their index',
      severity: 'error',
      from: elsewhere,
      to: {
        path: '^((libs|temporal|apps)/[^/]+|workflows|activities|relays|graphql)/',
        pathNot: ['^$1/', '/src/(testing/)?index\\.ts$', '/package\\.json$', nodeModules],
      },
    },
    {
      name: 'packages: what is for testing is imported by tests alone',
      severity: 'error',
      from: { pathNot: ['/testing/', '^(test|infra)/', specFile] },
      to: { path: '/src/testing/', pathNot: nodeModules },
    },
    {
      name: 'specs: nothing imports a spec',
      severity: 'error',
      from: {},
      to: { path: '\\.spec\\.ts$' },
    },
    {
      name: 'modules: every import can be resolved',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '(^|/)dist/' },
    },
  ];
}

/** A package imports only what its own package.json declares. */
function createDeclaredRules(workspaces, rootManifest) {
  const tooling = Object.keys(rootManifest.devDependencies ?? {});
  const folderOf = new Map(workspaces.map(({ name, folder }) => [name, folder]));
  return workspaces.flatMap(({ folder, manifest }) => {
    const declared = Object.keys({
      ...manifest.dependencies,
      ...manifest.peerDependencies,
      ...manifest.optionalDependencies,
      ...manifest.devDependencies,
    });
    // What builds, checks and tests the repository uses the root's development dependencies.
    const npm = ['infra', 'test'].includes(folder) ? [...declared, ...tooling] : declared;
    const packages = npm.filter((name) => !folderOf.has(name));
    const local = declared.filter((name) => folderOf.has(name)).map((name) => folderOf.get(name));
    const others = workspaces.map((workspace) => workspace.folder).filter((f) => f !== folder);
    const undeclared = others.filter((other) => !local.includes(other));
    const from = { path: `^${escape(folder)}/`, pathNot: specFile };
    const rules = [
      {
        name: `${folder}: npm packages that its package.json declares`,
        severity: 'error',
        from,
        to: {
          path: nodeModules,
          pathNot: packages.length > 0 ? [inPackages(packages)] : ['^$'],
        },
      },
    ];
    if (undeclared.length > 0) {
      rules.push({
        name: `${folder}: packages that its package.json declares`,
        severity: 'error',
        from,
        to: { path: `^(${alternatives(undeclared)})/`, pathNot: nodeModules },
      });
    }
    return rules;
  });
}

/** Matches files of the npm packages (and their separate types); `@scope/*` is a whole scope. */
function inPackages(packages) {
  const patterns = packages.flatMap((name) => {
    if (name.endsWith('/*')) return [`${escape(name.slice(0, -2))}/[^/]+`];
    return [escape(name), `@types/${escape(name.replace(/^@([^/]+)\//, '$1__'))}`];
  });
  return `(^|/)node_modules/(${patterns.join('|')})/`;
}

function isChecked(file, folder) {
  if (/(^|\/)(dist|fixtures|node_modules)\//.test(file)) return false;
  if (/\.d\.ts$/.test(file)) return false;
  if (file.startsWith('src/')) return file.endsWith('.ts');
  return ['infra', 'test'].includes(folder) && /\.(ts|mjs)$/.test(file);
}

function alternatives(folders) {
  return folders.map(escape).join('|');
}

function escape(text) {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}
