import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runSluice } from '../../support/cli.ts';
import { HISTORIES } from './history-file.ts';

/** The pipelines that teams are shown; each has a history. */
export const EXAMPLES = new URL('../../../examples/pipelines/', import.meta.url);

/** In the name of a history of an example: `promotion-<how it ended>-example-<name of the pipeline>`. */
export const EXAMPLE_HISTORY = /^promotion-[a-z]+-example-(?<pipeline>[a-z-]+)$/;

/** A promotion that ran one of the examples, and its pipeline. */
export interface ExampleRun {
  readonly promotionId: string;
  readonly pipeline: string;
}

interface ExportedHistory {
  readonly head: { readonly workflowId: string };
  readonly history: {
    readonly events: readonly {
      readonly workflowExecutionCompletedEventAttributes?: {
        readonly result: { readonly payloads: readonly { readonly data: string }[] };
      };
    }[];
  };
}

/** Names of the pipelines in the folder of examples. */
export async function listExamples(): Promise<readonly string[]> {
  const files = await readdir(EXAMPLES);
  return files.filter((name) => name.endsWith('.yaml')).map((name) => name.slice(0, -5));
}

/**
 * Writes the histories of these promotions to the recorded ones, redacted as `sluice history export` gives them; of two of one pipeline
 * that ended alike the later one stays.
 * @param env where `sluice` finds the API
 * @returns names of the files
 */
export async function recordExamples(
  runs: readonly ExampleRun[],
  env: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-examples-'));
  const recorded = new Set<string>();
  try {
    for (const { promotionId, pipeline } of runs) {
      const to = join(folder, promotionId.replace('/', '-'));
      const { status, stderr } = await runSluice(
        ['history', 'export', promotionId, '--to', to],
        env,
      );
      if (status !== 0) throw new Error(`${promotionId} is not to be had: ${stderr}`);
      for (const file of await readdir(to)) {
        const name = await record(await readFile(join(to, file), 'utf8'), pipeline);
        if (name !== undefined) recorded.add(name);
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return [...recorded].sort();
}

/** Only the run that came to the promotion's end says how that was. */
async function record(text: string, pipeline: string): Promise<string | undefined> {
  const { head, history } = JSON.parse(text) as ExportedHistory;
  const end = history.events.at(-1)?.workflowExecutionCompletedEventAttributes;
  const data = end?.result.payloads[0]?.data;
  if (!head.workflowId.startsWith('promotion/') || data === undefined) return undefined;
  const result = JSON.parse(Buffer.from(data, 'base64').toString()) as { readonly state?: string };
  // A shard gives numbers.
  if (result.state === undefined) return undefined;
  const name = `promotion-${result.state}-example-${pipeline}`;
  const content = { workflowId: head.workflowId, result, history };
  await writeFile(new URL(`${name}.json`, HISTORIES), `${JSON.stringify(content, null, 1)}\n`);
  return name;
}
