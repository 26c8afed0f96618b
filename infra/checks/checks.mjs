/**
 * The checks of `npm test` beside the tests; each counts as one case.
 *
 * A check is `{name, run}`; `run` gives `{ok, output}`, where `output` says what is wrong, where,
 * and what to do. To add one, write it in a file of its own here and name it in this list.
 */
import { checkFileNames } from './file-names.mjs';
import { checkFileSizes } from './file-sizes.mjs';
import { checkGeneratedFiles } from './generated-files.mjs';
import { runCommand } from './run-command.mjs';
import { checkSchemaDump } from './schema-dump.mjs';

const modules = (path) => `node_modules/${path}`;

/** @type {{ name: string, run: () => Promise<{ ok: boolean, output: string }> }[]} */
export const checks = [
  { name: 'format', run: checkFormat },
  { name: 'lint', run: checkLint },
  { name: 'types', run: checkTypes },
  { name: 'import table', run: checkImportTable },
  { name: 'file sizes', run: checkFileSizes },
  { name: 'file names', run: checkFileNames },
  { name: 'generated files', run: checkGeneratedFiles },
  { name: 'schema dump', run: checkSchemaDump },
];

async function checkFormat() {
  const result = await runCommand([
    ...['node', modules('@biomejs/biome/bin/biome'), 'check', '.'],
    ...['--error-on-warnings', '--max-diagnostics=40', '--colors=off'],
  ]);
  return withAdvice(result, 'Run `npm run format`.');
}

async function checkLint() {
  const result = await runCommand([
    ...['node', modules('eslint/bin/eslint.js'), '.', '--max-warnings=0', '--no-color'],
  ]);
  return withAdvice(result, 'The rules are in eslint.config.mjs.');
}

async function checkTypes() {
  return runCommand([
    'node',
    modules('typescript/bin/tsc'),
    '-p',
    '.',
    '--noEmit',
    '--pretty',
    'false',
  ]);
}

async function checkImportTable() {
  return runCommand(['node', 'infra/checks/check-imports.mjs']);
}

function withAdvice({ ok, output }, advice) {
  return { ok, output: ok ? output : `${output.trimEnd()}\n${advice}` };
}
