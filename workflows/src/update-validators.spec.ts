import { fileURLToPath } from 'node:url';
import { beforeAll, expect, jest, test } from '@jest/globals';
import ts from 'typescript';

/*
 * A validator's promise is dropped: one that is async refuses nobody. Lint sees those that are written in place; the
 * types show every one, also those that are named or made elsewhere.
 */
jest.setTimeout(120_000);

const SOURCES = new URL('./', import.meta.url);
const path = (name: string): string => fileURLToPath(new URL(name, SOURCES));

/** Stands for a workflow file with every kind of validator that is none. */
const WRONG = path('wrong-validators.ts');
const WRONG_TEXT = `
import { defineUpdate, setHandler } from '@temporalio/workflow';
const update = defineUpdate<void, [string]>('decide');
const handler = (): void => undefined;
async function named(): Promise<void> {}
const validator = named;
const loose: any = named;
export function listen(): void {
  setHandler(update, handler, { validator: async () => {} });
  setHandler(update, handler, { validator: named });
  setHandler(update, handler, { validator });
  setHandler(update, handler, { validator: () => named() });
  setHandler(update, handler, { validator: loose });
  setHandler(update, handler, { async validator() {} });
}
`;

let found: readonly { readonly file: string; readonly returns: string }[];

beforeAll(() => {
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    customConditions: ['sluice-source'],
    allowImportingTsExtensions: true,
    noEmit: true,
    strict: true,
    types: [],
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile } = host;
  host.fileExists = (name) => name === WRONG || fileExists(name);
  host.readFile = (name) => (name === WRONG ? WRONG_TEXT : readFile(name));
  const program = ts.createProgram([path('index.ts'), WRONG], options, host);
  const checker = program.getTypeChecker();
  const sources = program
    .getSourceFiles()
    .filter(
      ({ fileName }) => fileName.startsWith(path('./')) && !fileName.includes('node_modules'),
    );
  found = sources.flatMap((source) => listValidators(source, checker));
});

function listValidators(source: ts.SourceFile, checker: ts.TypeChecker): typeof found {
  const validators: { file: string; returns: string }[] = [];
  const visit = (node: ts.Node): void => {
    if (isValidator(node)) {
      const signatures = checker.getTypeAtLocation(node.name).getCallSignatures();
      const returns = signatures.map((one) => checker.typeToString(one.getReturnType()));
      const file = source.fileName.slice(path('./').length);
      validators.push({ file, returns: returns.join(' | ') || 'unknown' });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return validators;
}

function isValidator(node: ts.Node): node is ts.ObjectLiteralElementLike & { name: ts.Node } {
  return ts.isObjectLiteralElementLike(node) && node.name?.getText() === 'validator';
}

test('every validator of our workflows answers at once', () => {
  const ours = found.filter(({ file }) => file !== 'wrong-validators.ts');
  expect(ours).toEqual([
    { file: 'approval-update.ts', returns: 'void' },
    { file: 'rollout/steer-update.ts', returns: 'void' },
  ]);
});

test('one that would answer later, or says nothing about it, is seen', () => {
  const wrong = found.filter(({ file }) => file === 'wrong-validators.ts');
  expect(wrong.map(({ returns }) => returns)).toEqual([
    'Promise<void>',
    'Promise<void>',
    'Promise<void>',
    'Promise<void>',
    'unknown',
    'Promise<void>',
  ]);
});
