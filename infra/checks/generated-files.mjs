import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { registries, command as writeRegistries } from '../build/step-registries.mjs';
import { repositoryRoot } from '../build/workspaces.mjs';
import { runCommand } from './run-command.mjs';

/**
 * What is generated and committed. `files` are the outputs, `command` writes them (run in the
 * root after the build; `node` means the Node that runs this).
 *
 * @type {{ name: string, files: string[], command: string[] }[]}
 */
export const generators = [
  {
    name: 'registries of step types',
    files: registries.map(({ file }) => file),
    command: writeRegistries,
  },
];

/**
 * Generates the committed files again: they must not change. The committed content is put back,
 * so that the check fails until somebody generates on purpose.
 */
export async function checkGeneratedFiles(root = repositoryRoot, list = generators) {
  const problems = [];
  for (const { name, files, command } of list) {
    const read = (file) => (existsSync(join(root, file)) ? readFileSync(join(root, file)) : null);
    const before = files.map(read);
    const result = await runCommand(command, { cwd: root });
    const after = files.map(read);
    for (const [index, file] of files.entries()) {
      const [old, now] = [before[index], after[index]];
      if (result.ok && (now === null || (old !== null && old.equals(now)))) {
        if (now === null) problems.push(`${name}: \`${command.join(' ')}\` did not write ${file}.`);
        continue;
      }
      if (result.ok) {
        problems.push(
          `${name}: ${file} is not what \`${command.join(' ')}\` writes: commit its output.`,
        );
      }
      if (old !== null && (now === null || !old.equals(now))) writeFileSync(join(root, file), old);
    }
    if (!result.ok) problems.push(`${name}: \`${command.join(' ')}\` failed:\n${result.output}`);
  }
  return { ok: problems.length === 0, output: problems.join('\n') };
}
