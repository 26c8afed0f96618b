import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { digestOfBundle } from '@sluice/pure';
import { openSources, type SourceFinder } from './source-position.ts';

/** The bundle of this checkout; it stands two folders above both src and dist. */
export const OWN_BUNDLE = fileURLToPath(
  new URL('../../../workflows/dist/workflow-bundle.js', import.meta.url),
);

const MAX_BYTES = 64 * 1024 * 1024;

/** Workflow code that histories are replayed against. */
export interface WorkflowCode {
  readonly path: string;
  readonly code: string;
  /** `sha256:<hex>` of the code without its source map. */
  readonly digest: string;
  /** As the file beside it says; `unknown` without one. */
  readonly buildId: string;
  /** Finds the sources that stacks go through. */
  readonly sources: SourceFinder;
}

/** A file that is no workflow bundle. */
export class BundleError extends Error {
  readonly code = 'bundle-unusable';

  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'BundleError';
  }
}

/**
 * Reads a workflow bundle and what `<name>.json` beside it says of its build.
 * @throws BundleError
 */
export async function readWorkflowBundle(path: string): Promise<WorkflowCode> {
  const code = await readCode(path);
  const at = code.lastIndexOf('//# sourceMappingURL=data:');
  if (at === -1 || !code.includes('__TEMPORAL__')) {
    throw new BundleError(`${path} is no workflow bundle. ${ADVICE}`);
  }
  const digest = digestOfBundle(code);
  return {
    path,
    code,
    digest,
    buildId: await readBuildId(path, digest),
    sources: readSources(path, code),
  };
}

const ADVICE = 'Name the workflow-bundle.js of a build: `npm run build` makes one.';

async function readCode(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > MAX_BYTES) {
      throw new BundleError(`${path} has ${size} bytes; no workflow bundle is that large.`);
    }
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as Error).name === 'BundleError') throw error;
    throw new BundleError(`${path} cannot be read (${(error as Error).message}). ${ADVICE}`, error);
  }
}

/** The source map has to be one, too: without it the SDK does not take the bundle. */
function readSources(path: string, code: string): SourceFinder {
  try {
    return openSources(code);
  } catch (error) {
    throw new BundleError(`${path} is cut off: its source map cannot be read. ${ADVICE}`, error);
  }
}

async function readBuildId(path: string, digest: string): Promise<string> {
  try {
    const beside = `${path.replace(/\.js$/, '')}.json`;
    const { buildId, digest: named } = JSON.parse(await readFile(beside, 'utf8'));
    // A file that speaks of other code says nothing about this.
    const isOfThis = digest === named || digest === `sha256:${named}`;
    return isOfThis && typeof buildId === 'string' ? buildId : 'unknown';
  } catch {
    return 'unknown';
  }
}
