import { access, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Logger } from '@sluice/observability';
import { digestOfBundle } from '@sluice/pure';
import { WORKFLOW_INTERCEPTORS } from '@sluice/temporal-client';
import { bundleWorkflowCode, type WorkflowBundleOption } from '@temporalio/worker';

/** The bundle that a worker runs, and what it is known by. */
export interface WorkflowCode {
  readonly bundle: WorkflowBundleOption;
  /** `sha256:<hex>` of the bundle without its source map, which holds the folders of whoever built it. */
  readonly digest: string;
  /** Names the build in histories and worker deployments. */
  readonly buildId: string;
  /** The whole bundle with its source map. */
  readCode(): Promise<string>;
}

/**
 * The workflows' code: the bundle that was named, else the one that the build wrote, else one made now. The package is
 * only looked for, never imported.
 * @param named path of a bundle, such as a kept one of an older build
 * @throws Error when the named one cannot be read
 */
export async function findWorkflowCode(
  logger: Logger,
  named: string | null = null,
): Promise<WorkflowCode> {
  if (named !== null) return readBundle(named, logger);
  const entry = import.meta.resolve('@sluice/workflows');
  const codePath = fileURLToPath(new URL('./workflow-bundle.js', entry));
  if (await exists(codePath)) return readBundle(codePath, logger);
  logger.warn({ codePath }, 'there is no built workflow bundle; it is made now (npm run build)');
  const failureConverterPath = fileURLToPath(new URL('./failure-converter.js', entry));
  const { code } = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(entry),
    workflowInterceptorModules: [WORKFLOW_INTERCEPTORS],
    ...((await exists(failureConverterPath)) ? { failureConverterPath } : {}),
  });
  const digest = digestOfBundle(code);
  return { bundle: { code }, digest, buildId: shortName(digest), readCode: async () => code };
}

async function readBundle(codePath: string, logger: Logger): Promise<WorkflowCode> {
  const readCode = (): Promise<string> =>
    readFile(codePath, 'utf8').catch((cause: unknown) => {
      throw new Error(
        `The workflow bundle ${codePath} cannot be read; build it, or name another.`,
        {
          cause,
        },
      );
    });
  const digest = digestOfBundle(await readCode());
  const buildId = await readBuildId(codePath.replace(/\.js$/, '.json'), digest);
  if (buildId === undefined) {
    logger.warn(
      { codePath },
      'no metadata of this bundle beside it: the build is named after its digest',
    );
  }
  return { bundle: { codePath }, digest, buildId: buildId ?? shortName(digest), readCode };
}

/** What the build wrote beside its bundle; undefined when there is nothing, or it is of another bundle. */
async function readBuildId(file: string, digest: string): Promise<string | undefined> {
  try {
    const metadata = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
    const { buildId } = metadata;
    const isOfBundle = `sha256:${String(metadata['digest'])}` === digest;
    return isOfBundle && typeof buildId === 'string' && buildId !== '' ? buildId : undefined;
  } catch {
    return undefined;
  }
}

function shortName(digest: string): string {
  return digest.slice('sha256:'.length, 'sha256:'.length + 16);
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
