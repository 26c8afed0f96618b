import type { PromotionStatus } from '@sluice/temporal-contract';
import type { ProtoCommand } from './command.ts';

/** The sink through which the probe speaks; each replay worker registers one. */
export const PROBE_SINK = 'sluiceProbe';

/** What the probe tells of one activation: what the workflow did in one go. */
export interface Activation {
  /** The newest event that the workflow knew of: the start of a workflow task. */
  readonly event: number;
  /** In the order in which the workflow gave them. */
  readonly commands: readonly ProtoCommand[];
  /** A stack for each command, mapped to sources; empty where stacks were not asked for. */
  readonly stacks: readonly string[];
  /** Answer of the query `promotionStatus` afterwards; null for workflows that have none. */
  readonly status: PromotionStatus | null;
  /** What the workflow's code threw, so that its task failed; null when it did not. */
  readonly thrown: { readonly message: string; readonly stack: string } | null;
}

/** What a probe is asked for. */
export interface ProbeOptions {
  /** `none` only makes the bundle cheaper to replay: nothing is told. */
  readonly watch: 'none' | 'commands' | 'sources';
  /** Pauses a debugger after each workflow task; by event id, what woke it. */
  readonly pauseAt?: readonly PauseEvent[];
}

/** One event as the paused debugger shows it. */
export interface PauseEvent {
  readonly event: number;
  readonly eventType: string;
  readonly what: string;
  /** False for events of the workflow's own commands and tasks, which wake nobody. */
  readonly isCause: boolean;
}

/** Frames that a stack keeps: from a command through the interceptors to the pipeline's step. */
const STACK_FRAMES = 60;

/**
 * The script that watches a bundle from inside its sandbox. It wraps the functions through which the SDK drives a workflow
 * (`@temporalio/workflow/lib/worker-interface.js`, 1.23): whoever upgrades the SDK runs this package's specs.
 * Nothing that it does is visible to the workflow: it reads, and calls the one query handler that only reads.
 */
export function composeProbe({ watch, pauseAt }: ProbeOptions): string {
  // The SDK makes a stack for every promise; without frames that costs next to nothing. Globals are frozen after this.
  const limit = `Error.stackTraceLimit = ${watch === 'sources' ? STACK_FRAMES : 0};`;
  if (watch === 'none') return limit;
  return [
    limit,
    WATCH_SCRIPT.replaceAll('$SINK', JSON.stringify(PROBE_SINK))
      .replace('$STACKS', String(watch === 'sources'))
      .replace('$PAUSE', () => (pauseAt === undefined ? '' : composePause(pauseAt))),
  ].join('\n');
}

const WATCH_SCRIPT = `
(() => {
  const { api } = __TEMPORAL__;
  const watched = new WeakMap();
  const activatorNow = () => globalThis.__TEMPORAL_ACTIVATOR__;
  const statusOf = (activator) => {
    const query = activator.queryHandlers.get('promotionStatus');
    if (query === undefined) return null;
    try {
      return JSON.parse(JSON.stringify(query.handler()));
    } catch {
      return null;
    }
  };
  const tell = (activator, commands, error) => {
    const seen = watched.get(activator);
    if (seen === undefined) return null;
    const stacks = seen.errors.splice(0).map(({ stack }) => String(stack));
    const status = statusOf(activator);
    const thrown = error === null ? null : { message: String(error), stack: String(error?.stack) };
    const event = activator.info.historyLength;
    activator.sinkCalls.push({
      ifaceName: $SINK,
      fnName: 'tell',
      args: [{ event, commands, stacks, status, thrown }],
      workflowInfo: activator.info,
    });
    return { event, status };
  };
  const wrap = (name, after) => {
    const inner = api[name];
    api[name] = (...args) => {
      const activator = activatorNow();
      try {
        const result = inner(...args);
        after?.(activatorNow());
        return result;
      } catch (error) {
        if (activator !== undefined) tell(activator, [...activator.commands], error);
        throw error;
      }
    };
  };
  wrap('initRuntime', (activator) => {
    const errors = [];
    watched.set(activator, { errors });
    if (!$STACKS) return;
    const push = activator.pushCommand;
    activator.pushCommand = function pushCommand(...args) {
      errors.push(new Error());
      return push.apply(this, args);
    };
  });
  wrap('activate');
  wrap('tryUnblockConditions');
  const conclude = api.concludeActivation;
  api.concludeActivation = () => {
    const activator = activatorNow();
    const commands = [...activator.commands];
    let error = null;
    try {
      return conclude();
    } catch (thrown) {
      error = thrown;
      throw thrown;
    } finally {
      const told = tell(activator, commands, error);
      $PAUSE
    }
  };
})();
`;

/** Stands where the locals are: a debugger that stops here shows them. */
function composePause(events: readonly PauseEvent[]): string {
  return `
      const EVENTS = ${JSON.stringify(events)};
      const seen = watched.get(activator);
      if (told !== null && told.event !== seen.pausedAt) {
        const news = EVENTS.filter((one) => one.event > (seen.pausedAt ?? 0) && one.event <= told.event);
        seen.pausedAt = told.event;
        // An Update is recorded with the task that took it, so after its start.
        const next = EVENTS.find((one) => one.event > told.event && !one.eventType.startsWith('WorkflowTask'));
        const update = next?.eventType === 'WorkflowExecutionUpdateAccepted' ? next : undefined;
        const cause = news.findLast(({ isCause }) => isCause) ?? update;
        const event = cause?.event ?? told.event;
        const eventType = cause?.eventType ?? 'WorkflowTaskStarted';
        const what = cause?.what ?? '';
        const state = told.status?.state ?? null;
        const steps = Object.fromEntries((told.status?.steps ?? []).map((step) => [step.id, step.state]));
        const status = told.status;
        debugger;
      }`;
}

/**
 * A copy of a bundle with a probe in it, before the comment that holds its source map, so that all lines stay where they are.
 */
export function insertProbe(code: string, options: ProbeOptions): string {
  const at = code.lastIndexOf('//# sourceMappingURL=data:');
  const end = at === -1 ? code.length : at;
  return `${code.slice(0, end)}\n${composeProbe(options)}\n${code.slice(end)}`;
}
