import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { digestOfBundle } from '@sluice/pure';
import { type ReadHistory, readHistoryFile, WORKFLOW_INTERCEPTORS } from '@sluice/temporal-client';
import { bundleWorkflowCode } from '@temporalio/worker';
import { openSources } from './source-position.ts';
import type { WorkflowCode } from './workflow-bundle.ts';

/*
 * For this package's specs: the real workflows as they stand in the sources, with changes, and the recorded histories.
 */
const ROOT = new URL('../../../', import.meta.url);

/** Folder of the recorded histories. */
export const HISTORIES = fileURLToPath(new URL('test/replay/histories/', ROOT));

/** Bundles the workflows' sources as the build does, without building them first. */
export async function bundleSampleCode(): Promise<string> {
  const source = (file: string): string => fileURLToPath(new URL(`workflows/src/${file}`, ROOT));
  const quiet = (): void => undefined;
  const { code } = await bundleWorkflowCode({
    workflowsPath: source('index.ts'),
    workflowInterceptorModules: [WORKFLOW_INTERCEPTORS],
    failureConverterPath: source('failure-converter.ts'),
    logger: { log: quiet, trace: quiet, debug: quiet, info: quiet, warn: quiet, error: quiet },
    webpackConfigHook: (config) => ({
      ...config,
      resolve: { ...config.resolve, conditionNames: ['sluice-source', 'import', 'require'] },
    }),
  });
  return code;
}

/**
 * Code with one change in it, made in the bundle, where all lines stay where they are.
 * @throws Error when there is nothing to change: a spec must not pass for nothing
 */
export function changeCode(code: string, from: string | RegExp, to: string): string {
  const changed = code.replace(from, to);
  if (changed === code) throw new Error(`The workflows have no ${from} any more.`);
  return changed;
}

/** Code as it is read from a file. */
export function asWorkflowCode(code: string, path = '/sample.js'): WorkflowCode {
  const digest = digestOfBundle(code);
  return { path, code, digest, buildId: 'sample', sources: openSources(code) };
}

/** A recorded history by its file's name without the extension. */
export async function readSample(name: string): Promise<ReadHistory> {
  return readHistoryFile(await readFile(`${HISTORIES}${name}.json`));
}
