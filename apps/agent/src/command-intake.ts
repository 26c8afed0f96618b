import {
  type CommandDelivery,
  openCommand,
  openCommandPayload,
  openRoutePayload,
} from '@sluice/agent-protocol';
import {
  type AgentCommand,
  accepted,
  admitCommand,
  type Outcome,
  type Refusal,
  refused,
} from '@sluice/domain';
import { statementDigest } from '@sluice/signing';
import type { CommandEffects } from './command-effects.ts';
import type { AdmittedCommand } from './command-store.ts';
import type { Enrolment } from './identity.ts';
import type { Journal } from './journal.ts';

/** Accepted commands that may wait for their turn; one that supersedes them all needs no place. */
const MAX_WAITING = 100;

/** What became of a delivered command before any effect. */
export type Intake =
  | { readonly admitted: AdmittedCommand }
  | {
      readonly refusal: Refusal;
      readonly commandDigest: string;
      readonly sequence: number;
      /** Undefined when the command could not be read or its signature is not to be trusted. */
      readonly command: AgentCommand | undefined;
    };

/**
 * Decides whether a delivered command may be acted on: its signature by a command key of the pinned trust
 * root, then target, sequence, fencing token and times by `admitCommand`, its kind, and what travels beside it.
 */
export function takeIn(
  delivery: CommandDelivery,
  enrolment: Enrolment,
  journal: Journal,
  effects: Pick<CommandEffects, 'kinds' | 'otherKind'>,
  now: number,
): Intake {
  const opened = openCommand(delivery.envelope, enrolment.trustRoot, now);
  if (!opened.ok) {
    const commandDigest = digestOrNothing(delivery);
    return {
      refusal: opened.refusal,
      commandDigest,
      sequence: delivery.sequence,
      command: undefined,
    };
  }
  const { command, commandDigest } = opened.value;
  const { sequence } = command;
  const memory = { ...journal.memory, ...addressOf(enrolment) };
  const fresh = admitCommand(command, memory, now);
  const first = fresh.ok ? assertTakeable(command, journal) : fresh;
  if (!first.ok) return { refusal: first.refusal, commandDigest, sequence, command };
  if (!effects.kinds.includes(command.kind)) {
    const { code, message } = effects.otherKind;
    const refusal = { code, message: `Command ${sequence} is a ${command.kind}. ${message}` };
    return { refusal, commandDigest, sequence, command };
  }
  const payload = openPayload(delivery.payload, command);
  if (!payload.ok) return { refusal: payload.refusal, commandDigest, sequence, command };
  return { admitted: { command, commandDigest, payload: payload.value } };
}

function openPayload(text: string, command: AgentCommand): Outcome<AdmittedCommand['payload']> {
  if (command.kind === 'route') return openRoutePayload(text, command);
  const payload = openCommandPayload(text, command);
  if (!payload.ok) return payload;
  const mismatch = payload.value.desired?.components.find(
    ({ digest, manifest }) => digest !== manifest.digest,
  );
  return mismatch === undefined
    ? payload
    : refused(
        'payload-mismatch',
        `Component ${mismatch.name} is ${mismatch.digest}, its manifest ${mismatch.manifest.digest}.`,
      );
}

function addressOf({ tenantId, target, agentKeyId }: Enrolment) {
  return { tenantId, target, agentKeyId };
}

/** The same intent signed again under a new sequence is still the same intent. */
function assertTakeable(command: AgentCommand, journal: Journal): Outcome<AgentCommand> {
  const { idempotencyKey, fencingToken } = command;
  if (journal.hasAccepted(idempotencyKey)) {
    return refused(
      'command-replayed',
      `A command with the idempotency key ${idempotencyKey} was accepted before.`,
    );
  }
  const waiting = journal.listUnfinished().length;
  if (waiting >= MAX_WAITING && fencingToken <= journal.memory.highestFencingToken) {
    return refused(
      'agent-overrun',
      `${waiting} accepted commands wait for their turn here: wait for their ends, then send it again.`,
    );
  }
  return accepted(command);
}

function digestOrNothing(delivery: CommandDelivery): string {
  const { payload } = delivery.envelope as { payload?: unknown };
  return statementDigest({ payload: typeof payload === 'string' ? payload : '' });
}
