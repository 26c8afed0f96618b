import type { ReadHistory } from '@sluice/temporal-client';
import { DefaultLogger, type InjectedSinks, Runtime, Worker } from '@temporalio/worker';
import { type Activation, insertProbe, PROBE_SINK, type ProbeOptions } from './probe.ts';

/** What the SDK says of a history that did not go through. */
export interface ReplayProblem {
  /** `history-invalid`: no code could replay it. */
  readonly kind: 'nondeterminism' | 'task-failed' | 'history-invalid';
  readonly text: string;
}

/** What replaying one history came to. */
export interface Replayed {
  /** What the SDK says does not fit; undefined when everything does. */
  readonly problem: ReplayProblem | undefined;
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
  const { onActivation } = options;
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

function problemOf(error: Error | undefined): ReplayProblem | undefined {
  if (error === undefined) return undefined;
  const text = readCoreMessage(error.message);
  if (/^Fatal error in workflow machines/.test(text)) return { kind: 'history-invalid', text };
  const isParting = error.name === 'DeterminismViolationError' || text.includes('TMPRL1100');
  return { kind: isParting ? 'nondeterminism' : 'task-failed', text };
}

/** The sentence inside what the native core writes about a failure: its own debug form, events and all. */
function readCoreMessage(text: string): string {
  const quoted = /Failure \{ message: ("(?:[^"\\]|\\.)*")/.exec(text)?.[1];
  const sentence =
    quoted === undefined ? text.replace(/^Replay failed .*?Details: /s, '') : unquote(quoted);
  return sentence.replace(/HistoryEvent \{ event_id: (\d+),.*$/s, 'event $1');
}

function unquote(text: string): string {
  try {
    return JSON.parse(text.replace(/\\'/g, "'").replace(/\\u\{[0-9a-f]+\}/gi, '?'));
  } catch {
    return text.slice(1, -1);
  }
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
