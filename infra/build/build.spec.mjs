import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { compileWorkspace } from './compile.mjs';

let path;
const build = () => compileWorkspace({ path, folder: 'sample' });
const source = (file, text) => {
  mkdirSync(dirname(join(path, 'src', file)), { recursive: true });
  writeFileSync(join(path, 'src', file), text);
};
const output = (file) => readFileSync(join(path, 'dist', file), 'utf8');

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'sluice build '));
  source(
    'index.ts',
    "export { twice } from './deep/twice.ts';\nexport type { Two } from './two.ts';\n",
  );
  source('two.ts', 'export type Two = 2;\n');
  source('deep/twice.ts', 'export const twice = (n: number): number => n * 2;\n');
  source('deep/twice.spec.ts', "throw new Error('not compiled');\n");
});

afterEach(() => rmSync(path, { recursive: true, force: true }));

test('what it writes runs, with source maps, without specs', async () => {
  expect(await build()).toEqual({ compiled: 3, deleted: 0, errors: [] });
  expect(output('index.js')).toContain("'./deep/twice.js'".replaceAll("'", '"'));
  expect(output('index.js')).not.toContain('two.js');
  const map = JSON.parse(output('deep/twice.js.map'));
  expect(map.sources).toEqual(['../../src/deep/twice.ts']);
  expect(output('deep/twice.js')).toMatch(/\/\/# sourceMappingURL=twice\.js\.map\n$/);
  expect(existsSync(join(path, 'dist/deep/twice.spec.js'))).toBe(false);
  writeFileSync(join(path, 'package.json'), '{"type": "module"}');
  const { twice } = await import(pathToFileURL(join(path, 'dist/index.js')).href);
  expect(twice(21)).toBe(42);
});

test('compiles again only what changed and deletes what lost its source', async () => {
  await build();
  expect(await build()).toEqual({ compiled: 0, deleted: 0, errors: [] });
  source('two.ts', 'export type Two = 2;\nexport const two: Two = 2;\n');
  rmSync(join(path, 'src/deep/twice.ts'));
  writeFileSync(join(path, 'dist/workflow-bundle.js'), '');
  expect(await build()).toEqual({ compiled: 1, deleted: 2, errors: [] });
  expect(existsSync(join(path, 'dist/deep/twice.js'))).toBe(false);
  expect(existsSync(join(path, 'dist/workflow-bundle.js'))).toBe(true);
});

test('writes an output again that somebody deleted, and everything when its state is damaged', async () => {
  await build();
  rmSync(join(path, 'dist/two.js'));
  expect((await build()).compiled).toBe(1);
  writeFileSync(join(path, 'dist/.build-state.json'), 'rubbish');
  expect((await build()).compiled).toBe(3);
});

test('names the file with the error, compiles the others, and tries it again', async () => {
  source('two.ts', 'export const = ;\n');
  const { compiled, errors } = await build();
  expect(compiled).toBe(2);
  expect(errors).toHaveLength(1);
  expect(errors[0]).toMatch(/^sample\/src\/two\.ts: /);
  expect((await build()).errors).toHaveLength(1);
});

test('legacy decorators of classes, fields and parameters work', async () => {
  source(
    'decorated.ts',
    `const seen: string[] = [];
     const mark = (name: string) => (..._: unknown[]): void => { seen.push(name); };
     @mark('class') export class Sample {
       @mark('field') declare value?: number;
       readonly given: string;
       constructor(@mark('parameter') given: string) { this.given = given; }
     }
     export const marks = seen;\n`,
  );
  expect((await build()).errors).toEqual([]);
  writeFileSync(join(path, 'package.json'), '{"type": "module"}');
  const { marks } = await import(pathToFileURL(join(path, 'dist/decorated.js')).href);
  expect(marks).toEqual(['field', 'parameter', 'class']);
});
