import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { transform } from '@swc/core';
import { withPrivateFolder } from './private-folder.ts';

let root: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'private folder '));
  writeFileSync(join(root, 'package.json'), '{"type": "module"}');
  const packages = fileURLToPath(new URL('../../../node_modules', import.meta.url));
  symlinkSync(packages, join(root, 'node_modules'));
  // As the build writes them: signals are tried on a process of its own.
  for (const name of ['private-folder', 'node-run']) {
    const source = fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
    const { code } = await transform(readFileSync(source, 'utf8'), {
      filename: source,
      swcrc: false,
      jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
      module: { type: 'es6' },
    });
    writeFileSync(join(root, `${name}.js`), code.replaceAll(/(from '\.\/[\w-]+)\.ts'/g, "$1.js'"));
  }
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

test('a folder is for its owner alone, and gone when the work is done or fails', async () => {
  let seen = '';
  const work = (folder: string) => {
    seen = folder;
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    writeFileSync(join(folder, 'x'), 'x');
    return Promise.resolve(7);
  };
  expect(await withPrivateFolder(work)).toBe(7);
  expect(existsSync(seen)).toBe(false);
  const failing = withPrivateFolder(async (folder) => {
    await work(folder);
    throw new Error('it failed');
  });
  await expect(failing).rejects.toThrow('it failed');
  expect(existsSync(seen)).toBe(false);
  expect(process.listenerCount('SIGTERM')).toBe(0);
});

/** Runs a script that prints its folder, sends a signal when it is ready, and gives how it ended. */
async function interrupt(work: string, signal: NodeJS.Signals) {
  const script = join(root, 'main.js');
  writeFileSync(
    script,
    `import { withPrivateFolder } from './private-folder.js';
     import { runNode } from './node-run.js';
     await withPrivateFolder(async (folder) => { ${work} });`,
  );
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    if (text.includes('ready')) child.kill(signal);
  });
  const [status] = (await once(child, 'close')) as [number | null];
  const [folder = ''] = out.split('\n');
  return { status, out, folder };
}

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)('%s removes the folder', async (signal, expected) => {
  const work = `console.log(folder + '\\nready'); await new Promise((done) => setTimeout(done, 30000));`;
  const { status, folder } = await interrupt(work, signal);
  expect(status).toBe(expected);
  expect(folder).toContain('sluice-');
  expect(existsSync(folder)).toBe(false);
});

test('a program that was started gets the signal, ends in order, and then the folder goes', async () => {
  const tool = join(root, 'tool.mjs');
  writeFileSync(
    tool,
    `import { existsSync } from 'node:fs';
     const hold = setInterval(() => {}, 1000);
     process.on('SIGTERM', () => {
       console.log('still there: ' + existsSync(process.argv[2]));
       process.exitCode = 5;
       setTimeout(() => clearInterval(hold), 200);
     });
     console.log('ready');`,
  );
  const work = `
    console.log(folder);
    const { status } = await runNode({ program: ${JSON.stringify(tool)}, args: [folder] });
    process.exitCode = status;`;
  const { status, out, folder } = await interrupt(work, 'SIGTERM');
  expect(out).toContain('still there: true');
  expect(status).toBe(5);
  expect(existsSync(folder)).toBe(false);
});
