/** The baseline's worker, a process of its own; prints a line when it is ready. */
import { fileURLToPath } from 'node:url';
import { NativeConnection, Worker } from '@temporalio/worker';

const connection = await NativeConnection.connect({ address: process.env.BENCH_TEMPORAL });
const worker = await Worker.create({
  connection,
  namespace: process.env.BENCH_NAMESPACE,
  taskQueue: 'bench-bare',
  workflowsPath: fileURLToPath(new URL('bare-shapes.workflow.mjs', import.meta.url)),
  activities: { noop: async (step) => step },
});
console.log('ready');
await worker.run();
await connection.close();
