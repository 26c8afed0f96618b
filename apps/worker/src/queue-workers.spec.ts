import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { createLogger } from '@sluice/observability';
import { TASK_QUEUES, type TaskQueue } from '@sluice/temporal-contract';
import type { NativeConnection } from '@temporalio/worker';
import { type EngineWorkersOptions, workerOptions } from './engine-workers.ts';
import { type QueueWorker, runQueueWorkers } from './queue-workers.ts';

const { control, script, build } = TASK_QUEUES;
const logger = createLogger({ service: 'test', level: 'silent' });

interface FakeWorker extends QueueWorker {
  numInFlightActivities: number;
  fail(error: Error): void;
}

function createFake(): FakeWorker {
  let state = 'INITIALIZED';
  const end: { resolve(): void; reject(error: Error): void } = {
    resolve: () => undefined,
    reject: () => undefined,
  };
  const fake: FakeWorker = {
    numInFlightActivities: 0,
    run: () => {
      state = 'RUNNING';
      return new Promise((resolve, reject) => Object.assign(end, { resolve, reject }));
    },
    shutdown: () => {
      state = 'STOPPED';
      end.resolve();
    },
    fail: (error) => {
      state = 'FAILED';
      end.reject(error);
    },
    getState: () => state,
    getStatus: () => ({ numInFlightActivities: fake.numInFlightActivities }),
  };
  return fake;
}

function start(queues: readonly TaskQueue[]) {
  const workers = new Map(queues.map((queue) => [queue, createFake()]));
  const created: TaskQueue[] = [];
  const stopping = new AbortController();
  let wanted = new Set(queues);
  const ended = runQueueWorkers({
    made: workers,
    wanted: () => wanted,
    create: async (queue) => {
      created.push(queue);
      if (created.length === 1) throw new Error('not at once');
      const worker = createFake();
      workers.set(queue, worker);
      return worker;
    },
    logger,
    stopping: stopping.signal,
    lookMs: 5,
  });
  const stateOf = (queue: TaskQueue) => workers.get(queue)?.getState();
  return {
    workers,
    created,
    stateOf,
    ended,
    serve: (...next: TaskQueue[]) => {
      wanted = new Set(next);
    },
    stop: () => stopping.abort(),
    until: async (queue: TaskQueue, state: string) => {
      for (let look = 0; look < 2000 && stateOf(queue) !== state; look += 1) await delay(5);
      expect(stateOf(queue)).toBe(state);
    },
  };
}

test('a queue is given up when nothing of it runs, and taken up again', async () => {
  const queues = start([control, script]);
  const first = queues.workers.get(script) as FakeWorker;
  first.numInFlightActivities = 1;
  queues.serve(control);
  await delay(30);
  expect(queues.stateOf(script)).toBe('RUNNING');
  first.numInFlightActivities = 0;
  await queues.until(script, 'STOPPED');
  expect(queues.stateOf(control)).toBe('RUNNING');
  queues.serve(control, script);
  await queues.until(script, 'RUNNING');
  expect(queues.created).toEqual([script, script]);
  queues.stop();
  await queues.ended;
  expect([queues.stateOf(control), queues.stateOf(script)]).toEqual(['STOPPED', 'STOPPED']);
});

test('one that ends by itself takes the others along, so that all are made again', async () => {
  const queues = start([control, build]);
  queues.workers.get(build)?.fail(new Error('lost'));
  await queues.ended;
  expect(queues.stateOf(control)).toBe('STOPPED');
});

test('a worker whose only queue is given up goes on, and waits for it', async () => {
  const queues = start([script]);
  queues.serve();
  await queues.until(script, 'STOPPED');
  queues.serve(script);
  await queues.until(script, 'RUNNING');
  queues.stop();
  await queues.ended;
});

test('of scripts and builds no more run at a time than the worker says, whoever asks for them', () => {
  const options = {
    codecKeys: { keyOf: () => undefined },
    activities: {},
    version: { buildId: 'one', deployment: null },
  } as unknown as EngineWorkersOptions;
  const limitOf = (queue: TaskQueue, atOnce?: EngineWorkersOptions['atOnce']) => {
    const { maxConcurrentActivityTaskExecutions, maxConcurrentActivityTaskPolls } = workerOptions(
      atOnce === undefined ? options : { ...options, atOnce },
      {} as NativeConnection,
      queue,
    );
    return [maxConcurrentActivityTaskExecutions, maxConcurrentActivityTaskPolls];
  };
  expect([limitOf(script), limitOf(build)]).toEqual([
    [4, 4],
    [2, 2],
  ]);
  expect(limitOf(script, { [script]: 12 })).toEqual([12, 5]);
  expect(limitOf(build, { [build]: 1 })).toEqual([1, 1]);
});
