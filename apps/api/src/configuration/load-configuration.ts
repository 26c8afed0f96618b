import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isDigest, isName } from '@sluice/domain';
import { type Configuration, ConfigurationError } from './configuration.ts';
import { judgePipelines, type PublishedPipelines } from './judge-pipelines.ts';
import { readConfiguration } from './parse-configuration.ts';

const MAX_FILE_BYTES = 1024 * 1024;

/** A policy bundle that this release of Sluice ships: its name and the digest of its compiled form. */
export interface PolicyBundle {
  readonly name: string;
  readonly digest: string;
}

/**
 * Reads and checks the configuration file, and the pipelines that it names.
 * @param publishedOf what is published in a tenant
 * @throws ConfigurationError with every problem there is, or that there is no such file
 */
export async function loadConfiguration(
  file: string,
  policies: readonly PolicyBundle[],
  publishedOf: (tenant: string) => PublishedPipelines,
): Promise<Configuration> {
  const fail = (what: string, how: string): never => {
    throw new ConfigurationError(file, [{ path: '', what, how }]);
  };
  let text = '';
  try {
    const { size } = await stat(file);
    if (size > MAX_FILE_BYTES) fail(`has ${size} bytes`, `write at most ${MAX_FILE_BYTES}`);
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as Error).name === 'ConfigurationError') throw error;
    fail(`can't be read (${(error as Error).message})`, 'set SLUICE_CONFIG to a readable file');
  }
  const draft = readConfiguration(text, {
    file,
    folder: dirname(file),
    policies: policies.map(({ name }) => name),
  });
  const { configuration } = draft;
  await judgePipelines(draft, publishedOf(configuration.tenant));
  const problems = draft.listProblems();
  if (problems.length > 0) throw new ConfigurationError(file, problems);
  return configuration;
}

/**
 * The policy bundles in a folder: each `<name>/manifest.json` names its `policyDigest`.
 * @throws Error when a manifest can't be read or names no digest
 */
export async function listPolicyBundles(folder: string): Promise<readonly PolicyBundle[]> {
  const bundles: PolicyBundle[] = [];
  const entries = await readdir(folder, { withFileTypes: true });
  for (const name of entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)) {
    const manifestFile = join(folder, name, 'manifest.json');
    const text = await readFile(manifestFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
      // A folder without a manifest (sources, tests) is no bundle.
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (text === undefined || !isName(name)) continue;
    const { policyDigest: digest } = JSON.parse(text) as { readonly policyDigest?: unknown };
    if (typeof digest !== 'string' || !isDigest(digest)) {
      throw new Error(`${manifestFile} names no policyDigest; compile the policy again.`);
    }
    bundles.push({ name, digest });
  }
  return bundles.sort((a, b) => (a.name < b.name ? -1 : 1));
}
