/**
 * Checks the imports of a repository against the import table:
 *
 *   node infra/checks/check-imports.mjs [FOLDER] [--json]
 *
 * The status is 1 when an import is against the rules.
 */
import { resolve } from 'node:path';
import { repositoryRoot } from '../build/workspaces.mjs';
import { checkImports } from './import-rules.mjs';

const args = process.argv.slice(2);
const folder = args.find((argument) => !argument.startsWith('--'));
const result = await checkImports(folder ? resolve(folder) : repositoryRoot);
if (args.includes('--json')) {
  console.log(JSON.stringify(result));
} else {
  for (const { rule, from, to } of result.violations) {
    console.log(`${from} must not import ${to}\n    by the rule "${rule}"`);
  }
  if (result.violations.length > 0) {
    console.log('Who may import whom: infra/checks/import-table.json and docs/architecture.md.');
  } else {
    console.log(`${result.modules} modules keep to the import table`);
  }
}
process.exitCode = result.violations.length > 0 ? 1 : 0;
