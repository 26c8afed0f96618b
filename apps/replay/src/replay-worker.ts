import type { ReadHistory } from '@sluice/temporal-client';
import { DefaultLogger, type InjectedSinks, Runtime, Worker } from '@temporalio/worker';
import { type Activation, insertProbe, PROBE_SINK, type ProbeOptions } from './probe.ts';

/** What replaying one history came to. */
export interface Replayed {
  /** What the SDK says does not fit; undefined when everything does. */
  readonly problem: { readonly kind: 'nondeterminism' | 'task-failed'; readonly text: string } | undefined;
  /** What the probe saw, in order; empty where it was not asked to watch. */
  readonly activations: readonly Activation[];
}

/** Replays one history at a time against one bundle. */
export interface ReplayWorker {
  /** @throws Error when the history or the bundle cannot be replayed at all; the worker is of no use after that */
  replay(history: ReadHistory['history'], workflowId: string): Promise<Replayed>;
  close(): Promise<void>;
}

/** How a replay worker is made. */
export interface ReplayWorkerOptions extends ProbeOptions {
  /** Milliseconds that workflow code may run in one go; undefined where a debugger may stop it. */
  readonly codeTimeoutMs?: number;
  /** Hears of each activation as soon as it is done. */
  readonly onActivation?: (activation: Activation) => void;
}

type ProbeSinks = Record<typeof PROBE_SINK, { tell(activation: Activation): void }>;

let isRuntimeInstalled = false;
let opened = 0;

/** Keeps the SDK and its native core from writing to the terminal: whatever fails is in a result. */
function installQuietRuntime(): void {
  if (isRuntimeInstalled) return;
  isRuntimeInstalled = true;
  Runtime.install({
    logger: new DefaultLogger('ERROR', () => undefined),
    telemetryOptions: { logging: { filter: 'OFF', forward: {} } },
    // Signals are this program's own to answer.
    shutdownSignals: [],
  });
}

/** Starts a replay worker; no server is needed. */
export function openReplayWorker(code: string, options: ReplayWorkerOptions): ReplayWorker {
  installQuietRuntime();
  const { codeTimeoutMs, onActivation } = options;
  let activations: Activation[] = [];
  const sinks: InjectedSinks<ProbeSinks> = {
    [PROBE_SINK]: {
      tell: {
        callDuringReplay: true,
        fn: (_info: unknown, activation: Activation) => {
          activations.push(activation);
          onActivation?.(activation);
        },
      },
    },
  };
  const queue = new OneAtATime<{ history: ReadHistory['history']; workflowId: string }>();
  opened += 1;
  const results = Worker.runReplayHistories(
    {
      replayName: `replay-${process.pid}-${opened}`,
      workflowBundle: { code: insertProbe(code, options) },
      // Replay workers run workflow code in this thread by default, where a debugger sees it. One context for all histories, as the worker in production has it.
      reuseV8Context: options.pauseAt === undefined,
      sinks,
      ...(codeTimeoutMs === undefined ? {} : { isolateExecutionTimeout: codeTimeoutMs }),
    },
    queue,
  );
  return {
    replay: async (history, workflowId) => {
      activations = [];
      queue.push({ history, workflowId });
      const next = await results.next();
      if (next.done === true) throw new Error('The replay worker has ended.');
      return { problem: problemOf(next.value.error), activations };
    },
    close: async () => {
      queue.close();
      await results.return?.(undefined);
    },
  };
}

function problemOf(error: Error | undefined): Replayed['problem'] {
  if (error === undefined) return undefined;
  const kind = error.name === 'DeterminismViolationError' ? 'nondeterminism' : 'task-failed';
  return { kind, text: error.message.replace(/^Replay failed .*?Details: /s, '') };
}

/** A list that grows while it is read. */
class OneAtATime<T> implements AsyncIterable<T> {
  readonly #items: T[] = [];
  #isClosed = false;
  #wake: () => void = () => undefined;

  push(item: T): void {
    this.#items.push(item);
    this.#wake();
  }

  close(): void {
    this.#isClosed = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      const item = this.#items.shift();
      if (item !== undefined) yield item;
      else if (this.#isClosed) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
