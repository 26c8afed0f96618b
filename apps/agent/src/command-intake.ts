import { type CommandDelivery, openCommand, openCommandPayload } from '@sluice/agent-protocol';
import {
  type AgentCommand,
  accepted,
  admitCommand,
  type Outcome,
  type Refusal,
  refused,
} from '@sluice/domain';
import { statementDigest } from '@sluice/signing';
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
 * root, its payload's digest, then target, sequence, fencing token and times by `admitCommand`.
 */
export function takeIn(
  delivery: CommandDelivery,
  enrolment: Enrolment,
  journal: Journal,
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
  const payload = openCommandPayload(delivery.payload, command);
  if (!payload.ok) return { refusal: payload.refusal, commandDigest, sequence, command };
  const mismatch = payload.value.desired?.components.find(
    ({ digest, manifest }) => digest !== manifest.digest,
  );
  if (mismatch !== undefined) {
    const refusal = {
      code: 'payload-mismatch',
      message: `Component ${mismatch.name} is ${mismatch.digest}, its manifest ${mismatch.manifest.digest}.`,
    };
    return { refusal, commandDigest, sequence, command };
  }
  return { admitted: { command, commandDigest, payload: payload.value } };
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
