/** The baseline's worker, a process of its own, set as Sluice's own is; prints a line when it is ready. */
import { fileURLToPath } from 'node:url';
import { createDataConverter, loadCodecKeys } from '@sluice/temporal-client';
import { NativeConnection, Worker } from '@temporalio/worker';

const connection = await NativeConnection.connect({ address: process.env.BENCH_TEMPORAL });
const worker = await Worker.create({
  connection,
  namespace: process.env.BENCH_NAMESPACE,
  taskQueue: 'bench-bare',
  workflowsPath: fileURLToPath(new URL('bare-waves.workflow.mjs', import.meta.url)),
  dataConverter: createDataConverter(await loadCodecKeys(process.env.BENCH_CODEC_KEYS)),
  activities: { noop: async (member) => member },
  maxConcurrentActivityTaskExecutions: 50,
  maxConcurrentActivityTaskPolls: 5,
});
console.log('ready');
await worker.run();
await connection.close();
