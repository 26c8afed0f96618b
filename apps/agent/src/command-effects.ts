import type { CommandKind, Outcome } from '@sluice/domain';
import type { Logger } from '@sluice/observability';
import type { AdmittedCommand } from './command-store.ts';
import type { Failure } from './failure.ts';

/**
 * What a command does on this host: on a target, or on a router. Calls of a command come one after the other; each may be repeated after the
 * process was killed in it, and then goes on where it was.
 */
export interface CommandEffects {
  /** Kinds of command that are carried out here; every other is refused. */
  readonly kinds: readonly CommandKind[];
  /** Code of that refusal, and what to tell. */
  readonly otherKind: Failure;
  /** True where a later command says everything anew, so that an earlier one that has not ended need not. */
  readonly isLastDecisive: boolean;
  /** What forbids to begin; nothing is changed. */
  findUnfit(admitted: AdmittedCommand): Promise<Failure | undefined>;
  /**
   * Brings what the command needs; what is active stays so. Absent where nothing is to be brought.
   * @returns why it is not there; undefined when it is
   */
  fetch?(admitted: AdmittedCommand, log: Logger, signal: AbortSignal): Promise<Failure | undefined>;
  /**
   * Makes the change.
   * @returns why it was not begun, and nothing was changed; undefined when it was made
   * @throws what it failed with; call {@link revert} then
   */
  activate(admitted: AdmittedCommand, signal: AbortSignal): Promise<Failure | undefined>;
  /** Looks whether it is well. Refused when it is not: call {@link revert} then. */
  confirm(admitted: AdmittedCommand, signal: AbortSignal): Promise<Outcome<true>>;
  /** Puts back what was there before. Refused when that is not well: a person must look. */
  revert(admitted: AdmittedCommand, signal: AbortSignal): Promise<Outcome<true>>;
  /** Digest of the release that is active here; null when none is. */
  findActiveRelease(): Promise<string | null>;
  /** Sees to it that what is active runs, after this process was started. */
  resume(): Promise<void>;
  /** Called from time to time: sees to it that what is in force stays so. */
  keep?(signal: AbortSignal): Promise<void>;
  /** Forgets what only the command that ended needed. */
  clear(): Promise<void>;
}
