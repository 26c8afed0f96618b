/**
 * The baseline's worker, a process of its own; prints a line when it is ready. It is set as Sluice's own is: the same payload codec with the
 * same keys, as many activities and polls at a time.
 */
import { fileURLToPath } from 'node:url';
import { createDataConverter, loadCodecKeys } from '@sluice/temporal-client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { BARE_QUEUE } from './shapes.mjs';

const connection = await NativeConnection.connect({ address: process.env.BENCH_TEMPORAL });
const worker = await Worker.create({
  connection,
  namespace: process.env.BENCH_NAMESPACE,
  taskQueue: BARE_QUEUE,
  workflowsPath: fileURLToPath(new URL('bare-shapes.workflow.mjs', import.meta.url)),
  dataConverter: createDataConverter(await loadCodecKeys(process.env.BENCH_CODEC_KEYS)),
  activities: { noop: async (step) => step },
  maxConcurrentActivityTaskExecutions: 50,
  maxConcurrentActivityTaskPolls: 5,
});
console.log('ready');
await worker.run();
await connection.close();
