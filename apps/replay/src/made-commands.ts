import type { Command, ProtoCommand } from './command.ts';
import { BARE, placeOf } from './command.ts';
import { durationSeconds, payloadValues } from './payload-value.ts';
import type { Activation } from './probe.ts';

/**
 * What code gave in one workflow task when it was replayed, in a history's words. What was asked for and taken back in the
 * same task never reaches the engine, so it is left out.
 * @param activations those of the task, in order
 * @param scheduled activities of the run by number; those of the task are added
 */
export function readMadeCommands(
  activations: readonly Activation[],
  scheduled: Map<string, Command>,
): readonly Command[] {
  const made: Command[] = [];
  for (const { commands, stacks } of activations) {
    for (const [index, proto] of commands.entries()) {
      const read = readActivity(proto, scheduled) ?? readOther(proto) ?? readEnd(proto);
      if (read === undefined) continue;
      const command: Command = { ...BARE, ...read, stack: stacks[index] ?? '' };
      const began = beganInTask(command, made);
      if (began !== undefined) {
        made.splice(made.indexOf(began), 1);
        continue;
      }
      if (command.kind === 'activity') scheduled.set(command.id, command);
      made.push(command);
    }
  }
  return made;
}

const BEGINNINGS: Readonly<Record<string, Command['kind']>> = {
  'cancel-timer': 'timer',
  'cancel-activity': 'activity',
};

function beganInTask({ kind, id }: Command, made: readonly Command[]): Command | undefined {
  const beginning = BEGINNINGS[kind];
  return beginning === undefined
    ? undefined
    : made.find((command) => command.kind === beginning && command.id === id);
}

function readActivity(
  proto: ProtoCommand,
  scheduled: ReadonlyMap<string, Command>,
): Partial<Command> | undefined {
  const activity = proto.scheduleActivity;
  if (activity != null) {
    const input = payloadValues(activity.arguments);
    return {
      kind: 'activity',
      name: activity.activityType ?? '',
      id: String(activity.seq),
      input,
      taskQueue: activity.taskQueue ?? null,
      ...placeOf(input),
    };
  }
  if (proto.requestCancelActivity == null) return undefined;
  const id = String(proto.requestCancelActivity.seq);
  return { kind: 'cancel-activity', id, ...placeOf(scheduled.get(id)?.input ?? []) };
}

function readOther(proto: ProtoCommand): Partial<Command> | undefined {
  if (proto.startTimer != null) {
    const seconds = durationSeconds(proto.startTimer.startToFireTimeout);
    return { kind: 'timer', id: String(proto.startTimer.seq), seconds };
  }
  if (proto.cancelTimer != null) {
    return { kind: 'cancel-timer', id: String(proto.cancelTimer.seq) };
  }
  if (proto.upsertWorkflowSearchAttributes != null) return { kind: 'search-attributes' };
  if (proto.modifyWorkflowProperties != null) return { kind: 'memo' };
  if (proto.setPatchMarker != null) {
    return { kind: 'patch', name: proto.setPatchMarker.patchId ?? '' };
  }
  const child = proto.startChildWorkflowExecution;
  if (child != null) {
    const input = payloadValues(child.input);
    return { kind: 'child-workflow', name: child.workflowType ?? '', input };
  }
  const signal = proto.signalExternalWorkflowExecution;
  if (signal != null) {
    const input = payloadValues(signal.args);
    return { kind: 'signal-workflow', name: signal.signalName ?? '', input };
  }
  if (proto.requestCancelExternalWorkflowExecution != null) return { kind: 'cancel-workflow' };
  const update = proto.updateResponse;
  // A refused Update leaves nothing in a history.
  if (update?.accepted != null) {
    return { kind: 'update-accepted', id: update.protocolInstanceId ?? '' };
  }
  if (update?.completed != null) {
    return { kind: 'update-completed', id: update.protocolInstanceId ?? '' };
  }
  return undefined;
}

function readEnd(proto: ProtoCommand): Partial<Command> | undefined {
  const { completeWorkflowExecution: done, continueAsNewWorkflowExecution: next } = proto;
  if (done != null) {
    return { kind: 'complete', input: payloadValues(done.result == null ? [] : [done.result]) };
  }
  if (proto.failWorkflowExecution != null) return { kind: 'fail' };
  if (proto.cancelWorkflowExecution != null) return { kind: 'cancel' };
  if (next == null) return undefined;
  const input = payloadValues(next.arguments);
  return { kind: 'continue-as-new', name: next.workflowType ?? '', input };
}
