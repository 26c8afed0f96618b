import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';
import { listFiles, readJson } from './workspaces.mjs';

const stateFile = '.build-state.json';
const require = createRequire(import.meta.url);

/** What swc is told for every source file; a part of the cache key. */
const compilerOptions = {
  swcrc: false,
  configFile: false,
  sourceMaps: true,
  inlineSourcesContent: false,
  jsc: {
    target: 'es2022',
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: false, verbatimModuleSyntax: true },
    keepClassNames: true,
    rewriteRelativeImportExtensions: true,
  },
  module: { type: 'es6' },
};

/** Output files that other build steps write beside the compiled ones. */
const foreignOutputs = new Set([stateFile, 'workflow-bundle.js', 'workflow-bundle.json']);

/**
 * Compiles one workspace's `src/**\/*.ts` (specs excepted) to `dist/` with source maps.
 * A file is compiled again only when its content, the options or the compiler changed; outputs
 * whose source is gone are deleted. Each output appears whole (written aside, then renamed), so
 * that two builds at once do no harm.
 *
 * @param {{ path: string, folder: string }} workspace
 * @returns {Promise<{ compiled: number, deleted: number, errors: string[] }>} one error text per
 *   source that could not be compiled; the others are compiled nevertheless
 */
export async function compileWorkspace({ path, folder }) {
  const sourceFolder = join(path, 'src');
  const outputFolder = join(path, 'dist');
  const sources = listFiles(sourceFolder).filter(isCompiled);
  const key = digest(JSON.stringify(compilerOptions) + readCompilerVersion());
  const previous = readState(join(outputFolder, stateFile), key);
  const state = { key, files: {} };
  const errors = [];
  let compiled = 0;

  await Promise.all(
    sources.map(async (source) => {
      const text = readFileSync(join(sourceFolder, source), 'utf8');
      const output = join(outputFolder, source.replace(/\.ts$/, '.js'));
      const hash = digest(text);
      if (previous[source] === hash && existsSync(output) && existsSync(`${output}.map`)) {
        state.files[source] = hash;
        return;
      }
      try {
        const { transform } = await import('@swc/core');
        const sourceName = relative(dirname(output), join(sourceFolder, source))
          .split(sep)
          .join('/');
        const result = await transform(text, {
          ...compilerOptions,
          filename: join(sourceFolder, source),
          sourceFileName: sourceName,
        });
        const mapName = `${output.split(sep).at(-1)}.map`;
        mkdirSync(dirname(output), { recursive: true });
        writeWhole(`${output}.map`, result.map ?? '{}');
        writeWhole(output, `${stripMapComment(result.code)}//# sourceMappingURL=${mapName}\n`);
        state.files[source] = hash;
        compiled += 1;
      } catch (error) {
        errors.push(`${folder}/src/${source}: ${error instanceof Error ? error.message : error}`);
      }
    }),
  );

  const deleted = deleteStale(outputFolder, sources);
  const changed = compiled + deleted > 0 || errors.length > 0;
  if (sources.length > 0 && (changed || !existsSync(join(outputFolder, stateFile)))) {
    mkdirSync(outputFolder, { recursive: true });
    state.files = Object.fromEntries(Object.entries(state.files).sort());
    writeWhole(join(outputFolder, stateFile), `${JSON.stringify(state, null, 1)}\n`);
  }
  return { compiled, deleted, errors };
}

/**
 * Writes a file so that readers see the old content or the new, never a part.
 *
 * @param {string} path
 * @param {string} content
 */
export function writeWhole(path, content) {
  const aside = `${path}.${process.pid}.tmp`;
  writeFileSync(aside, content);
  renameSync(aside, path);
}

/** SHA-256 in lowercase hex. @param {string | Buffer} content */
export function digest(content) {
  return createHash('sha256').update(content).digest('hex');
}

function isCompiled(source) {
  return source.endsWith('.ts') && !source.endsWith('.spec.ts') && !source.endsWith('.d.ts');
}

function stripMapComment(code) {
  return code.replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n');
}

function readCompilerVersion() {
  return readJson(require.resolve('@swc/core/package.json')).version;
}

function readState(path, key) {
  if (!existsSync(path)) return {};
  try {
    const state = readJson(path);
    return state.key === key ? state.files : {};
  } catch {
    return {}; // A damaged state costs one full compilation.
  }
}

function deleteStale(outputFolder, sources) {
  const expected = new Set(
    sources.flatMap((source) => {
      const output = source.replace(/\.ts$/, '.js');
      return [output, `${output}.map`];
    }),
  );
  let deleted = 0;
  for (const file of listFiles(outputFolder)) {
    // A `.tmp` file may belong to a build that runs right now.
    if (expected.has(file) || foreignOutputs.has(file) || file.endsWith('.tmp')) continue;
    rmSync(join(outputFolder, file), { force: true });
    deleted += 1;
  }
  return deleted;
}
