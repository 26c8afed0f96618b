import { accepted, type Outcome, refused } from './domain-error.ts';

/** The schema tag that every command to an agent carries. */
export const COMMAND_SCHEMA = 'sluice.command/v1';

/** The schema tag that every report of an agent carries. */
export const REPORT_SCHEMA = 'sluice.report/v1';

/** What agents are told to do. */
export const COMMAND_KINDS = ['deploy', 'revert', 'route'] as const;

/**
 * `deploy` puts the plan's desired side there; `revert` puts back what was there before; `route` has the agent of a router put a route
 * table in force: `planDigest` is the digest of the canonical table then, and `releaseDigest` that of the promotion's release.
 */
export type CommandKind = (typeof COMMAND_KINDS)[number];

/** A signed intent: what an agent shall do, whole and canonical, in a DSSE envelope. */
export interface AgentCommand {
  readonly schema: typeof COMMAND_SCHEMA;
  readonly tenantId: string;
  readonly target: string;
  /** Id of the agent key that the command is meant for. */
  readonly agentKeyId: string;
  /** Grows by each command of a target; a lower or equal one is refused. */
  readonly sequence: number;
  /** The environment lease's token; a lower one than already seen is refused. */
  readonly fencingToken: number;
  readonly kind: CommandKind;
  readonly promotionId: string;
  readonly releaseDigest: string;
  readonly planDigest: string;
  /** SHA-256 of the canonical `CommandPayload` or `RoutePayload` that travels beside the envelope. */
  readonly payloadDigest: string;
  /** RFC 3339. */
  readonly notBefore: string;
  /** RFC 3339. */
  readonly expiresAt: string;
  readonly idempotencyKey: string;
}

/** Stages that an agent reports. The last three are final. */
export const REPORT_STAGES = [
  'accepted',
  'fetched',
  'activated',
  'confirmed',
  'reverted',
  'refused',
] as const;

/** One of {@link REPORT_STAGES}. */
export type ReportStage = (typeof REPORT_STAGES)[number];

/** True for a stage that nothing follows. */
export function isFinalStage(stage: ReportStage): boolean {
  return stage === 'confirmed' || stage === 'reverted' || stage === 'refused';
}

/**
 * True when a command was carried out. `reverted` never is: of a deployment it says that the old version was put back,
 * of a revert that putting back failed and the version that was to go is still there.
 */
export function isCarriedOut(stage: ReportStage): boolean {
  return stage === 'confirmed';
}

/** What a final report makes of the deployment; undefined where the deployment stays what it was, as by a `route` always. */
export function deploymentStateAfter(
  kind: CommandKind,
  stage: ReportStage,
): 'confirmed' | 'reverted' | 'refused' | undefined {
  if (kind === 'route') return undefined;
  if (kind === 'revert') return isCarriedOut(stage) ? 'reverted' : undefined;
  return stage === 'confirmed' || stage === 'reverted' || stage === 'refused' ? stage : undefined;
}

/** What an agent says about one command, signed by the agent's key in a DSSE envelope. */
export interface AgentReport {
  readonly schema: typeof REPORT_SCHEMA;
  readonly tenantId: string;
  readonly target: string;
  readonly agentKeyId: string;
  /** SHA-256 of the command's DSSE payload bytes. */
  readonly commandDigest: string;
  readonly sequence: number;
  readonly stage: ReportStage;
  /** RFC 3339, by the agent's clock. */
  readonly at: string;
  /** Set for `refused` and `reverted`: stable kebab-case code and a sentence. */
  readonly failure: { readonly code: string; readonly message: string } | null;
  /** Release that is active on the target after this stage; null when nothing is. */
  readonly activeRelease: string | null;
}

/** What an agent remembers between commands. */
export interface AgentMemory {
  readonly tenantId: string;
  readonly target: string;
  readonly agentKeyId: string;
  /** Highest sequence that it accepted; 0 before the first. */
  readonly lastSequence: number;
  /** Highest fencing token that it accepted; 0 before the first. */
  readonly highestFencingToken: number;
}

/**
 * Whether an agent may act on a command whose signature was verified before.
 * Refusals: `command-foreign`, `command-malformed`, `command-replayed`, `command-fenced-off`, `command-not-yet-valid`, `command-expired`.
 * @param now milliseconds since the epoch, by the agent's clock
 */
export function admitCommand(
  command: AgentCommand,
  memory: AgentMemory,
  now: number,
): Outcome<AgentCommand> {
  const { tenantId, target, agentKeyId } = command;
  if (
    tenantId !== memory.tenantId ||
    target !== memory.target ||
    agentKeyId !== memory.agentKeyId
  ) {
    return refused(
      'command-foreign',
      `Command is for ${tenantId}/${target} and key ${agentKeyId}, not for this agent.`,
    );
  }
  // A command comes out of JSON: a sequence or token that is no whole number would compare, but order nothing.
  if (!Number.isSafeInteger(command.sequence) || !Number.isSafeInteger(command.fencingToken)) {
    return refused(
      'command-malformed',
      `Sequence ${command.sequence} and fencing token ${command.fencingToken} must be whole numbers.`,
    );
  }
  if (!(command.sequence > memory.lastSequence)) {
    return refused(
      'command-replayed',
      `Command ${command.sequence} is not newer than ${memory.lastSequence}, the last one accepted.`,
    );
  }
  if (!(command.fencingToken >= memory.highestFencingToken)) {
    return refused(
      'command-fenced-off',
      `Fencing token ${command.fencingToken} is below ${memory.highestFencingToken}: a newer holder acts on this target.`,
    );
  }
  if (!(now >= Date.parse(command.notBefore))) {
    return refused('command-not-yet-valid', `Command is valid from ${command.notBefore} on.`);
  }
  if (!(now < Date.parse(command.expiresAt))) {
    return refused(
      'command-expired',
      `Command expired at ${command.expiresAt}; check this host's clock, then promote again.`,
    );
  }
  return accepted(command);
}
