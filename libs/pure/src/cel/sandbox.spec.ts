import { fileURLToPath } from 'node:url';
import { createContext, Script } from 'node:vm';
import { beforeAll, expect, test } from '@jest/globals';
import { bundleWorkflowCode } from '@temporalio/worker';

const WORKFLOW = fileURLToPath(new URL('testing/evaluate-cel.workflow.ts', import.meta.url));

/** What the workflow sandbox offers beyond the language itself, as far as loading the bundle needs it. */
const GLOBALS = { TextEncoder, TextDecoder, URL, URLSearchParams, AbortController };

/** Everything through which an evaluation could learn where and when it runs, made to fail. */
const TRAPS = `
  const trap = (name) => () => { throw new Error('trapped: ' + name); };
  Object.defineProperty(globalThis, 'Intl', { get: trap('Intl') });
  for (const name of ['toLocaleString', 'toLocaleDateString', 'toLocaleTimeString']) Date.prototype[name] = trap(name);
  Number.prototype.toLocaleString = trap('Number.toLocaleString');
  String.prototype.localeCompare = trap('localeCompare');
  Math.random = trap('Math.random');
  Date.now = trap('Date.now');
  globalThis.Date = new Proxy(Date, { construct: trap('new Date'), apply: trap('Date()') });
`;

const quiet = {
  log: () => undefined,
  trace: () => undefined,
  debug: () => undefined,
  info: () => undefined,
  warn: (message: string) => console.warn(message),
  error: (message: string) => console.error(message),
};

let evaluate: (source: string, values: Readonly<Record<string, unknown>>) => Promise<unknown>;

beforeAll(async () => {
  // Refuses modules of Node.js and those that are known not to be deterministic.
  const { code } = await bundleWorkflowCode({
    workflowsPath: WORKFLOW,
    logger: quiet,
    webpackConfigHook: (config) => ({
      ...config,
      resolve: { ...config.resolve, conditionNames: ['sluice-source', 'import', 'require'] },
    }),
  });
  const context = createContext(
    { ...GLOBALS, __webpack_module_cache__: {} },
    { codeGeneration: { strings: false, wasm: false } },
  );
  new Script(code).runInContext(context);
  const workflows = new Script('__TEMPORAL__.importWorkflows()').runInContext(context);
  new Script(TRAPS).runInContext(context);
  evaluate = workflows.evaluateExpression;
});

const BUILT = { steps: { 'build-image': { outputs: { digest: 'd' } }, x: null } };

test.each<[string, Record<string, unknown>, unknown]>([
  ['steps["build-image"].outputs.digest == "d" && has(steps.x)', BUILT, true],
  ['xs.filter(x, x.n > 1).map(x, string(x.n) + "!").join(",")', { xs: [{ n: 1 }, { n: 2 }] }, '2!'],
  ['"ÄB".lowerAscii() + " b ".trim().upperAscii()', {}, 'ÄbB'],
  ['"a,b".split(",").exists(p, p.contains("b")) ? 1.5 : double(1)', {}, 1.5],
  ['xs.all(x, x in {"a": 1}) || xs.exists_one(x, x == "c")', { xs: ['a', 'c'] }, true],
  ['int("7") / 2 + size("abc".substring(1)) - "abc".indexOf("c")', {}, 3],
])('%s in the sandbox', async (source, values, value) => {
  const result = JSON.stringify(await evaluate(source, values));
  expect(result).toBe(JSON.stringify({ ok: true, value }));
});

test.each([
  ['timestamp("2026-01-01T00:00:00Z").getHours("Europe/Berlin") == 1', 'cel-function-forbidden'],
  ['"a".matches("(a+)+$")', 'cel-function-forbidden'],
  ['1 / 0', 'cel-arithmetic'],
])('%s is a problem in the sandbox too', async (source, code) => {
  expect(JSON.parse(JSON.stringify(await evaluate(source, {})))).toMatchObject({ ok: false, code });
});
