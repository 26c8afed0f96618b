import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

/**
 * The design's table as it stands in docs/architecture.md: what is expected here is read from this
 * text, not from the checker's configuration. `own` is a package of the row itself.
 */
const design = `
| from \\ to | domain | pure | contract | client | capability libs | persistence | activities | workflows | relays | node: | npm |
| libs/domain | own | no | no | no | no | no | no | no | no | no | none |
| libs/pure | yes | own | no | no | no | no | no | no | no | no | canonicalize |
| temporal/contract | yes | yes | own | no | no | no | no | no | no | no | @temporalio/workflow |
| temporal/client | yes | yes | yes | own | no | no | no | no | no | yes | @temporalio/client @temporalio/worker @temporalio/workflow |
| temporal/server | yes | yes | yes | yes | no | no | no | no | no | yes | @temporalio/client @temporalio/worker @temporalio/workflow |
| workflows | yes | yes | yes | no | no | no | no | own | no | no | @temporalio/workflow |
| libs/oci | yes | yes | no | no | yes | no | no | no | no | yes | yes |
| libs/persistence | yes | yes | no | no | no | own | no | no | no | yes | pg |
| activities | yes | yes | yes | no | yes | yes | own | no | no | yes | yes |
| relays | yes | yes | yes | yes | yes | yes | no | no | own | yes | yes |
| graphql | yes | yes | yes | yes | yes | yes | no | no | no | yes | yes |
| apps/api | yes | yes | yes | yes | yes | yes | no | no | no | yes | yes |
| apps/worker | yes | yes | yes | yes | yes | yes | yes | no | yes | yes | yes |
| apps/replay | yes | yes | yes | yes | yes | no | no | no | no | yes | @temporalio/worker |
| apps/agent | yes | yes | no | no | yes | no | no | no | no | yes | yes |
| apps/cli | yes | yes | no | no | yes | no | no | no | no | yes | yes |
| apps/console | yes | yes | no | no | yes | no | no | no | no | no | yes |
| infra | yes | yes | yes | yes | yes | yes | yes | yes | yes | yes | yes |
| test | yes | yes | yes | yes | yes | yes | yes | yes | yes | yes | yes |
`;

/** The package that stands for a column; `libs/signing` is the one that every row with "yes" may have. */
const columnFolder = {
  domain: 'libs/domain',
  pure: 'libs/pure',
  contract: 'temporal/contract',
  client: 'temporal/client',
  'capability libs': 'libs/signing',
  persistence: 'libs/persistence',
  activities: 'activities',
  workflows: 'workflows',
  relays: 'relays',
};
const npmPackages = [
  '@temporalio/workflow',
  '@temporalio/client',
  '@temporalio/worker',
  'canonicalize',
  'pg',
  'left-pad',
];

const [header, ...rows] = design
  .trim()
  .split('\n')
  .map((line) =>
    line
      .split('|')
      .map((cell) => cell.trim())
      .slice(1, -1),
  );
const folders = [
  ...new Set([...rows.map(([from]) => from), ...Object.values(columnFolder), 'libs/observability']),
];
const packageName = (folder) => `@sluice/${folder.split('/').at(-1)}`;

let root;
/** file → the rules that it breaks */
let broken;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'sluice-imports-'));
  writeTree(root);
  broken = check(root);
}, 120_000);

afterAll(() => rmSync(root, { recursive: true, force: true }));

describe.each(rows.map((row) => [row[0], row]))('%s', (from, row) => {
  const cells = header.slice(1, -2).map((column, index) => [column, row[index + 1]]);

  test.each(cells)('imports %s: %s', (column, cell) => {
    if (cell === 'own') return;
    const rules = broken.get(`${from}/src/${slug(column)}.ts`) ?? [];
    if (cell === 'yes') expect(rules).toEqual([]);
    else expect(rules.join('\n')).toMatch(/: packages$/m);
  });

  test('a type counts like a value', () => {
    for (const [column, cell] of cells) {
      if (cell === 'no') expect(broken.has(`${from}/src/${slug(column)}-type.ts`)).toBe(true);
    }
  });

  test(`node: builtins: ${row.at(-2)}`, () => {
    const rules = broken.get(`${from}/src/builtin.ts`) ?? [];
    if (row.at(-2) === 'yes') expect(rules).toEqual([]);
    else expect(rules.join('\n')).toMatch(/: node builtins$/m);
  });

  test(`npm: ${row.at(-1)}`, () => {
    const only = row.at(-1);
    for (const name of npmPackages) {
      const rules = broken.get(`${from}/src/npm-${slug(name)}.ts`) ?? [];
      const named = { none: [], yes: npmPackages }[only] ?? only.split(' ');
      if (named.includes(name)) expect(rules).toEqual([]);
      else expect(rules.join('\n')).toMatch(/: npm packages$/m);
    }
  });

  test('imports no app, not even in a spec', () => {
    expect(broken.get(`${from}/src/app.spec.ts`)?.join('\n')).toMatch(/^apps: /m);
  });
});

test('observability is for activities, relays, graphql and the apps but the console', () => {
  const refused = rows
    .map(([from]) => from)
    .filter((from) => broken.has(`${from}/src/observability.ts`));
  expect(refused.sort()).toEqual(
    [
      ...['libs/domain', 'libs/pure', 'libs/oci', 'libs/persistence', 'temporal/contract'],
      ...['temporal/client', 'temporal/server', 'workflows', 'apps/console'],
    ].sort(),
  );
});

test('the agent and the CLI have only the capability libs that the table names', () => {
  expect(broken.has('apps/cli/src/oci.ts')).toBe(true);
  expect(broken.has('apps/agent/src/oci.ts')).toBe(false);
  expect(broken.has('apps/console/src/oci.ts')).toBe(true);
});

test('a package imports only what its own package.json declares', () => {
  expect(broken.get('relays/src/undeclared-npm.ts')).toEqual([
    'relays: npm packages that its package.json declares',
  ]);
  expect(broken.get('libs/signing/src/undeclared.ts')).toEqual([
    'libs/signing: packages that its package.json declares',
  ]);
});

test('an inside of another package, a spec and an absent file cannot be imported', () => {
  expect(broken.get('relays/src/inside.ts')?.join()).toContain(
    'packages: only through their index',
  );
  expect(broken.get('relays/src/imports-spec.ts')?.join()).toContain(
    'specs: nothing imports a spec',
  );
  expect(broken.get('relays/src/absent.ts')?.join()).toContain('every import can be resolved');
});

test('packages that need each other are a cycle', () => {
  expect(broken.get('@sluice/left')).toEqual(['packages: no cycles']);
});

test('a tree that keeps to the table passes, with status 0', () => {
  const clean = mkdtempSync(join(tmpdir(), 'sluice-imports-clean-'));
  try {
    writePackage(clean, 'libs/domain', []);
    writePackage(clean, 'relays', ['libs/domain']);
    writeRoot(clean);
    write(clean, 'relays/src/fine.ts', "export { value } from '@sluice/domain';\n");
    const output = execFileSync(process.execPath, [checker(), clean], { encoding: 'utf8' });
    expect(output).toContain('keep to the import table');
  } finally {
    rmSync(clean, { recursive: true, force: true });
  }
});

/** One file for each cell of the table, allowed or not, in packages that declare everything. */
function writeTree(tree) {
  for (const folder of folders) {
    writePackage(
      tree,
      folder,
      folders.filter((other) => other !== folder),
      npmPackages,
    );
    for (const [column, target] of Object.entries(columnFolder)) {
      if (target === folder) continue;
      const name = packageName(target);
      write(tree, `${folder}/src/${slug(column)}.ts`, `export { value } from '${name}';\n`);
      const type = `import type { Value } from '${name}';\nexport type Mine = Value;\n`;
      write(tree, `${folder}/src/${slug(column)}-type.ts`, type);
    }
    write(tree, `${folder}/src/builtin.ts`, "export { join } from 'node:path';\n");
    write(
      tree,
      `${folder}/src/observability.ts`,
      "export { value } from '@sluice/observability';\n",
    );
    write(tree, `${folder}/src/oci.ts`, "export { value } from '@sluice/oci';\n");
    const app = folder === 'apps/api' ? '@sluice/cli' : '@sluice/api';
    write(tree, `${folder}/src/app.spec.ts`, `import { value } from '${app}';\nvoid value;\n`);
    for (const name of npmPackages) {
      write(tree, `${folder}/src/npm-${slug(name)}.ts`, `import '${name}';\n`);
    }
  }
  for (const name of [...npmPackages, 'right-pad']) {
    write(tree, `node_modules/${name}/package.json`, `{"name": "${name}", "main": "index.js"}`);
    write(tree, `node_modules/${name}/index.js`, 'module.exports = {};\n');
  }
  writePackage(tree, 'libs/signing', ['libs/domain']);
  write(tree, 'libs/signing/src/undeclared.ts', "export { value } from '@sluice/oci';\n");
  write(tree, 'relays/src/undeclared-npm.ts', "import 'right-pad';\n");
  write(tree, 'relays/src/inside.ts', "export { value } from '../../libs/oci/src/oci.ts';\n");
  write(tree, 'relays/src/imports-spec.ts', "import './app.spec.ts';\n");
  write(tree, 'relays/src/absent.ts', "import './nowhere.ts';\n");
  writePackage(tree, 'libs/left', ['libs/right']);
  writePackage(tree, 'libs/right', ['libs/left']);
  writeRoot(tree);
}

function writePackage(tree, folder, dependsOn, npm = []) {
  const name = packageName(folder);
  const dependencies = Object.fromEntries(
    [...dependsOn.map(packageName), ...npm].map((dependency) => [dependency, '1.0.0']),
  );
  // All declare all here, which would be one great cycle: peers say the same without an order.
  const field = dependsOn.length > 3 ? 'peerDependencies' : 'dependencies';
  const exports = { '.': { 'sluice-source': './src/index.ts', default: './dist/index.js' } };
  write(
    tree,
    `${folder}/package.json`,
    JSON.stringify({ name, type: 'module', exports, [field]: dependencies }),
  );
  write(tree, `${folder}/src/index.ts`, 'export const value = 1;\nexport type Value = number;\n');
  const link = join(tree, 'node_modules', name);
  mkdirSync(dirname(link), { recursive: true });
  rmSync(link, { force: true });
  symlinkSync(join(tree, folder), link, 'dir');
}

function writeRoot(tree) {
  const workspaces = [
    ...['libs/*', 'temporal/*', 'apps/*', 'workflows', 'activities', 'relays'],
    ...['graphql', 'infra', 'test'],
  ];
  write(tree, 'package.json', JSON.stringify({ name: 'sample', private: true, workspaces }));
}

function write(tree, file, content) {
  const path = join(tree, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

function check(tree) {
  const { stdout, stderr } = spawnSync(process.execPath, [checker(), tree, '--json'], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (!stdout) throw new Error(stderr);
  const found = new Map();
  for (const { rule, from } of JSON.parse(stdout).violations) {
    found.set(from, [...(found.get(from) ?? []), rule]);
  }
  return found;
}

function checker() {
  return fileURLToPath(new URL('./check-imports.mjs', import.meta.url));
}

function slug(text) {
  return text.replace(/[^a-z]+/gi, '-').replace(/^-/, '');
}
