import { dirname, join } from 'node:path/posix';
import { transform } from '@swc/core';

const FOLDER = './workflows/src/';

/** A request of a bundled module with the module that it means, as webpack notes it. */
const REQUEST = /__webpack_require__\(\/\*! (\S+) \*\/ "([^"]+)"\)/g;

/**
 * A bundle in which one module of the workflows has another source; no bundler is needed.
 * @param code a bundle as `bundleSources` makes it
 * @param name in the sources of the workflows: `lease-wait.ts`
 * @param source in TypeScript; may import what the workflows import already
 * @throws Error when the bundle has no such module, or the source imports what no module of the bundle does
 */
export async function replaceModule(code: string, name: string, source: string): Promise<string> {
  const begin = code.indexOf(`/***/ "${FOLDER}${name}"\n`);
  const body = code.indexOf('\n(', begin);
  const end = code.indexOf('\n/***/ }', body);
  if (begin === -1 || body === -1 || end === -1) {
    throw new Error(`The bundle has no module ${FOLDER}${name} as webpack writes it.`);
  }
  const { code: compiled } = await transform(source, {
    swcrc: false,
    configFile: false,
    filename: name,
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type: 'commonjs' },
  });
  const modules = new Map(
    [...code.matchAll(REQUEST)].map(([, request = '', id = '']) => [request, id]),
  );
  const idOf = (request: string): string => {
    const id = request.startsWith('.')
      ? `${FOLDER}${join(dirname(name), request)}`
      : modules.get(request);
    if (id === undefined || !code.includes(`/***/ "${id}"\n`)) {
      throw new Error(`${name} imports ${request}, which no module of the bundle does.`);
    }
    return id;
  };
  const linked = compiled.replaceAll(
    /\brequire\("([^"]+)"\)/g,
    (_all, request: string) => `__webpack_require__(${JSON.stringify(idOf(request))})`,
  );
  return `${code.slice(0, body)}\n(module, exports, __webpack_require__) {\n${linked}${code.slice(end)}`;
}
