import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import proto from '@temporalio/proto';
import type { WorkflowBundle } from '@temporalio/worker';
import { parseWorkflowCode } from '@temporalio/worker/lib/worker.js';
import type { Workflow } from '@temporalio/worker/lib/workflow/interface.js';
import { ReusableVMWorkflowCreator } from '@temporalio/worker/lib/workflow/reusable-vm.js';
import { infoOf } from './in-memory-info.ts';
import {
  type Job,
  jobOfCancelled,
  jobOfFailure,
  jobOfSignal,
  jobOfUpdate,
  messageOf,
  sizeOf,
} from './in-memory-jobs.ts';
import type { Activities, EndedRun, InMemoryEngine, RunningWorkflow } from './in-memory-types.ts';
import { withoutStackTraces } from './without-stack-traces.ts';

/*
 * As much of an engine as the interpreter needs, in this process: it runs workflow code as a worker does, hands each command's answer back
 * as a job, and counts the events that the real engine would write. It takes no time but that of the workflow itself: its clock is set
 * forward to the next timer when nothing else is left to do. Each answer gets a workflow task of its own, which is the dearest way that a
 * history can take: the real engine hands over all that came meanwhile in one.
 */
const { WorkflowActivation } = proto.coresdk.workflow_activation;
type Command = proto.coresdk.workflow_commands.IWorkflowCommand;

/** When the engine asks a run to continue as new, as the real one does by default. */
const SUGGESTED_EVENTS = 4096;
const SUGGESTED_BYTES = 4 * 1024 * 1024;

/** Of one event, besides its payloads. */
const EVENT_BYTES = 150;

/** Task scheduled, started, completed. */
const TASK_EVENTS = 3;

/** A limit would cost a thread of its own for each call into the workflow's code. Jest has one for the whole. */
const NO_LIMIT = undefined as unknown as number;

interface Run {
  readonly workflowId: string;
  readonly runId: string;
  readonly type: string;
  readonly vm: Workflow;
  readonly parent: { readonly run: Run; readonly seq: number } | undefined;
  /** With how many events each brings. */
  readonly jobs: { readonly job: Job; readonly events: number }[];
  readonly timers: Map<number, number>;
  events: number;
  bytes: number;
}

/** Opens an engine over workflow code and activities. */
export async function openInMemoryEngine(
  workflows: WorkflowBundle,
  activities: Activities,
): Promise<InMemoryEngine> {
  const bundle = parseWorkflowCode(withoutStackTraces(workflows).code);
  const names = new Set(Object.keys(activities));
  const creator = await ReusableVMWorkflowCreator.create(bundle, NO_LIMIT, names);
  return {
    execute: (type, workflowId, input, meanwhile) =>
      new Execution(creator, activities).run(
        type,
        workflowId,
        [defaultPayloadConverter.toPayload(input)],
        meanwhile,
      ),
    close: () => creator.destroy(),
  };
}

class Execution {
  readonly #creator: ReusableVMWorkflowCreator;
  readonly #activities: Activities;
  /** Runs with jobs, each once, in the order in which they got them. */
  readonly #ready = new Set<Run>();
  readonly #open = new Set<Run>();
  readonly #ended: EndedRun[] = [];
  #underWay = 0;
  #wake = (): void => undefined;
  #now = Date.now();
  #made = 0;
  #result: { readonly value: unknown } | undefined = undefined;
  readonly #updates = new Map<string, { resolve(told: unknown): void; reject(why: Error): void }>();
  /** Activities that have their answer: each has one. */
  readonly #answered = new Set<string>();
  #failure: Error | undefined = undefined;

  constructor(creator: ReusableVMWorkflowCreator, activities: Activities) {
    this.#creator = creator;
    this.#activities = activities;
  }

  async run(
    type: string,
    workflowId: string,
    input: readonly Payload[],
    meanwhile?: (running: RunningWorkflow) => void,
  ): Promise<{ readonly result: unknown; readonly runs: readonly EndedRun[] }> {
    const first = await this.#start(type, workflowId, input, undefined);
    meanwhile?.(this.#speakTo(first));
    try {
      return await this.#untilEnd();
    } catch (error) {
      for (const run of this.#open) await run.vm.dispose();
      throw error;
    }
  }

  async #untilEnd(): Promise<{ readonly result: unknown; readonly runs: readonly EndedRun[] }> {
    while (this.#result === undefined) {
      if (this.#failure !== undefined) throw this.#failure;
      const [next] = this.#ready;
      if (next !== undefined) await this.#task(next);
      else if (this.#underWay > 0) await this.#somethingHappens();
      else this.#passTime();
    }
    return { result: this.#result.value, runs: this.#ended };
  }

  #speakTo(run: Run): RunningWorkflow {
    return {
      signal: (signalName, input) => {
        this.#give(run, jobOfSignal(signalName, [defaultPayloadConverter.toPayload(input)]), 1);
      },
      update: (id, name, input) =>
        new Promise((resolve, reject) => {
          this.#updates.set(id, { resolve, reject });
          this.#give(run, jobOfUpdate(id, name, input), 1);
        }),
    };
  }

  /** Asked only where nothing is ready: an activity that ended before is. */
  #somethingHappens(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #passTime(): void {
    let first: { readonly run: Run; readonly seq: number; readonly at: number } | undefined;
    for (const run of this.#open) {
      for (const [seq, at] of run.timers) {
        if (first === undefined || at < first.at) first = { run, seq, at };
      }
    }
    if (first === undefined) throw new Error('Every run waits, and for nothing that could come.');
    this.#now = Math.max(this.#now, first.at);
    first.run.timers.delete(first.seq);
    this.#give(first.run, { fireTimer: { seq: first.seq } }, 1);
  }

  #give(run: Run, job: Job, events: number): void {
    run.jobs.push({ job, events });
    this.#ready.add(run);
    this.#wake();
  }

  async #start(
    workflowType: string,
    workflowId: string,
    input: readonly Payload[],
    parent: Run['parent'],
  ): Promise<Run> {
    this.#made += 1;
    const runId = `run-${this.#made}`;
    const above =
      parent === undefined
        ? undefined
        : { workflowId: parent.run.workflowId, runId: parent.run.runId, namespace: 'test' };
    const vm = await this.#creator.createWorkflow({
      info: infoOf({ workflowId, runId, workflowType, now: this.#now }, above),
      randomnessSeed: [this.#made],
      now: this.#now,
      showStackTraceSources: false,
    });
    const open = { workflowId, runId, type: workflowType, vm, parent, events: 0, bytes: 0 };
    const run: Run = { ...open, jobs: [], timers: new Map() };
    this.#open.add(run);
    const initializeWorkflow = {
      ...{
        workflowId,
        workflowType,
        arguments: [...input],
        randomnessSeed: this.#made,
        attempt: 1,
      },
      startTime: this.#timestamp(),
      ...(above === undefined ? {} : { parentWorkflowInfo: above }),
    };
    this.#give(run, { initializeWorkflow } as unknown as Job, 1);
    run.bytes += sizeOf(input);
    return run;
  }

  #timestamp(): { readonly seconds: number; readonly nanos: number } {
    return { seconds: Math.floor(this.#now / 1000), nanos: (this.#now % 1000) * 1_000_000 };
  }

  /** One workflow task with one job. */
  async #task(run: Run): Promise<void> {
    const next = run.jobs.shift();
    if (run.jobs.length === 0) this.#ready.delete(run);
    if (next === undefined || !this.#open.has(run)) return;
    run.events += next.events + TASK_EVENTS;
    run.bytes += (next.events + TASK_EVENTS) * EVENT_BYTES;
    const activation = WorkflowActivation.fromObject({
      runId: run.runId,
      timestamp: this.#timestamp(),
      isReplaying: false,
      // Its own completion is not there yet.
      historyLength: run.events - 1,
      historySizeBytes: run.bytes,
      continueAsNewSuggested: run.events >= SUGGESTED_EVENTS || run.bytes >= SUGGESTED_BYTES,
      jobs: [next.job],
    });
    const { successful, failed } = await run.vm.activate(activation);
    await run.vm.getAndResetSinkCalls();
    if (successful == null) {
      throw new Error(`A task of ${run.workflowId} failed: ${messageOf(failed?.failure)}`);
    }
    for (const command of successful.commands ?? []) await this.#carryOut(run, command);
  }

  async #carryOut(run: Run, command: Command): Promise<void> {
    run.events += 1;
    run.bytes += EVENT_BYTES;
    if (command.scheduleActivity) {
      const { seq, activityType, arguments: input } = command.scheduleActivity;
      run.bytes += sizeOf(input ?? []);
      this.#act(run, seq ?? 0, activityType ?? '', input?.[0]);
    } else if (command.startTimer) {
      const { seq, startToFireTimeout } = command.startTimer;
      const ms = Number(startToFireTimeout?.seconds ?? 0) * 1000;
      run.timers.set(
        seq ?? 0,
        this.#now + ms + Math.ceil((startToFireTimeout?.nanos ?? 0) / 1_000_000),
      );
    } else if (command.cancelTimer) {
      run.timers.delete(command.cancelTimer.seq ?? 0);
    } else if (command.startChildWorkflowExecution) {
      const { seq, workflowId, workflowType, input } = command.startChildWorkflowExecution;
      run.bytes += sizeOf(input ?? []);
      const parent = { run, seq: seq ?? 0 };
      const child = await this.#start(workflowType ?? '', workflowId ?? '', input ?? [], parent);
      const resolution = { seq: seq ?? 0, succeeded: { runId: child.runId } };
      this.#give(run, { resolveChildWorkflowExecutionStart: resolution }, 1);
    } else if (command.completeWorkflowExecution) {
      this.#end(run, command.completeWorkflowExecution.result ?? undefined);
    } else if (command.continueAsNewWorkflowExecution) {
      const { arguments: input, workflowType } = command.continueAsNewWorkflowExecution;
      await this.#close(run, 'continued-as-new');
      const type = workflowType === '' || workflowType == null ? run.type : workflowType;
      await this.#start(type, run.workflowId, input ?? [], run.parent);
    } else if (command.updateResponse) {
      this.#answer(command.updateResponse);
    } else if (command.requestCancelActivity) {
      this.#cancelActivity(run, command.requestCancelActivity.seq ?? 0);
    } else if (command.signalExternalWorkflowExecution) {
      this.#signal(run, command.signalExternalWorkflowExecution);
    } else if (command.cancelChildWorkflowExecution) {
      const child = this.#childOf(run, command.cancelChildWorkflowExecution.childWorkflowSeq ?? 0);
      if (child !== undefined) this.#give(child, { cancelWorkflow: {} } as unknown as Job, 1);
    } else if (!command.upsertWorkflowSearchAttributes && !command.setPatchMarker) {
      throw new Error(`This engine knows no such command: ${JSON.stringify(command)}`);
    }
  }

  /** To a child, or to the run that started this one. */
  #signal(
    run: Run,
    {
      seq,
      childWorkflowId,
      workflowExecution,
      signalName,
      args,
    }: proto.coresdk.workflow_commands.ISignalExternalWorkflowExecution,
  ): void {
    const id = childWorkflowId || workflowExecution?.workflowId;
    const to = [...this.#open].find(({ workflowId }) => workflowId === id);
    const input = [...(args ?? [])];
    if (to !== undefined) {
      this.#give(to, jobOfSignal(signalName ?? '', input), 1);
    }
    const told = to === undefined ? { failure: { message: 'there is no such run' } } : {};
    const resolution = { seq: seq ?? 0, ...told };
    this.#give(run, { resolveSignalExternalWorkflow: resolution } as unknown as Job, 1);
  }

  #childOf(run: Run, seq: number): Run | undefined {
    return [...this.#open].find(({ parent }) => parent?.run === run && parent.seq === seq);
  }

  #answer({
    protocolInstanceId: id,
    rejected,
    completed,
  }: proto.coresdk.workflow_commands.IUpdateResponse): void {
    const asked = this.#updates.get(id ?? '');
    if (completed) asked?.resolve(defaultPayloadConverter.fromPayload(completed));
    if (!rejected) return;
    const { applicationFailureInfo: info } = rejected;
    asked?.reject(Object.assign(new Error(messageOf(rejected)), { type: info?.type ?? null }));
  }

  /** Whatever it does, nobody hears of it any more. */
  #cancelActivity(run: Run, seq: number): void {
    const key = `${run.runId}/${seq}`;
    if (this.#answered.has(key)) return;
    this.#answered.add(key);
    this.#give(run, jobOfCancelled(seq), 1);
  }

  /** Its start and its end are events. */
  #act(run: Run, seq: number, type: string, input: Payload | undefined): void {
    const activity = this.#activities[type] as ((input: unknown) => Promise<unknown>) | undefined;
    if (activity === undefined) throw new Error(`There is no activity ${type}.`);
    this.#underWay += 1;
    const value = input === undefined ? undefined : defaultPayloadConverter.fromPayload(input);
    activity(value)
      .then((told) => {
        const result = defaultPayloadConverter.toPayload(told);
        run.bytes += sizeOf([result]);
        const key = `${run.runId}/${seq}`;
        if (this.#answered.has(key)) return;
        this.#answered.add(key);
        this.#give(run, { resolveActivity: { seq, result: { completed: { result } } } }, 2);
      })
      .catch((error: Error) => {
        if ('nonRetryable' in error && error.nonRetryable === true) {
          const key = `${run.runId}/${seq}`;
          if (this.#answered.has(key)) return;
          this.#answered.add(key);
          this.#give(run, jobOfFailure(seq, type, error), 2);
          return;
        }
        this.#failure = new Error(`Activity ${type} threw: ${error.message}`, { cause: error });
        this.#wake();
      })
      .finally(() => {
        this.#underWay -= 1;
      });
  }

  #end(run: Run, result: Payload | undefined): void {
    void this.#close(run, 'completed');
    if (run.parent === undefined) {
      this.#result = {
        value: result === undefined ? undefined : defaultPayloadConverter.fromPayload(result),
      };
      return;
    }
    const { run: parent, seq } = run.parent;
    parent.bytes += sizeOf(result === undefined ? [] : [result]);
    const completed = { result: result ?? null };
    this.#give(parent, { resolveChildWorkflowExecution: { seq, result: { completed } } }, 1);
  }

  async #close(run: Run, status: EndedRun['status']): Promise<void> {
    this.#open.delete(run);
    this.#ready.delete(run);
    const { workflowId, type, events, bytes } = run;
    this.#ended.push({ workflowId, type, events, bytes, status });
    await run.vm.dispose();
  }
}
