/*
 * Records one history for each outcome into test/replay/histories, from the workflows' present code over fake
 * activities, on a real dev server:
 *
 *   node infra/build/run.mjs test/replay/record-histories [story …]
 *
 * Record again only what a wanted change of the workflows makes unreplayable, and say so in the change.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getTool } from '@sluice/infra';
import { createPayloadCodec } from '@sluice/temporal-client';
import { startDevServer } from '@sluice/temporal-server';
import type { WorkflowHandle } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { bundleSources } from '../workflows/bundle-workflows.ts';
import type { WorkflowEnvironment } from '../workflows/workflow-environment.ts';
import { openWorkflowEnvironment } from '../workflows/workflow-environment.ts';
import { CONTINUED_STORIES } from './course-stories.ts';
import { HISTORIES, toReadableForm } from './history-file.ts';
import { STORIES } from './stories.ts';

/** Events from which on the engine asks a run to continue as new. */
const SUGGESTION = 'limit.historyCount.suggestContinueAsNew';

async function record(names: readonly string[]): Promise<void> {
  const env = await openWorkflowEnvironment(await bundleSources());
  try {
    for (const name of names) {
      const story = STORIES[name];
      if (story === undefined) {
        throw new Error(
          `There is no story "${name}"; there are: ${Object.keys(STORIES).join(', ')}`,
        );
      }
      const handle = await story(env);
      const content = await toFileContent(env, handle);
      await writeFile(new URL(`${name}.json`, HISTORIES), content);
      console.error(`recorded ${name}`);
    }
  } finally {
    await env.close();
  }
}

async function toFileContent(env: WorkflowEnvironment, handle: WorkflowHandle): Promise<string> {
  const history = await handle.fetchHistory();
  const readable = await toReadableForm(history, createPayloadCodec(env.codecKeys));
  const result: unknown = await handle.result();
  const recorded: unknown = JSON.parse(historyToJSON(readable));
  const file = { workflowId: handle.workflowId, result, history: recorded };
  return `${JSON.stringify(file, null, 1)}\n`;
}

/** Uses the server that the environment names, or starts one for as long as it takes. */
async function main(names: readonly string[]): Promise<void> {
  const isContinued = (name: string): boolean => CONTINUED_STORIES.has(name);
  const others = names.filter((name) => !isContinued(name));
  if (process.env.SLUICE_TEST_TEMPORAL_ADDRESS !== undefined) await record(others);
  else if (others.length > 0) await recordOnServer(others, {});
  const continued = names.filter(isContinued);
  if (continued.length > 0) await recordOnServer(continued, { [SUGGESTION]: 30 });
}

async function recordOnServer(
  names: readonly string[],
  dynamicConfig: Readonly<Record<string, number>>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-record-'));
  const server = await startDevServer({
    executable: (await getTool('temporal')).path,
    logFile: join(folder, 'temporal.log'),
    uiPort: false,
    dynamicConfig,
  });
  const before = process.env.SLUICE_TEST_TEMPORAL_ADDRESS;
  try {
    process.env.SLUICE_TEST_TEMPORAL_ADDRESS = server.address;
    await record(names);
  } finally {
    if (before === undefined) delete process.env.SLUICE_TEST_TEMPORAL_ADDRESS;
    else process.env.SLUICE_TEST_TEMPORAL_ADDRESS = before;
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

const wanted = process.argv.slice(2);
await main(wanted.length > 0 ? wanted : Object.keys(STORIES));
