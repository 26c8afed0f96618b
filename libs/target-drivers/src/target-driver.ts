import type { BlobDescriptor, CommandKind, CommandPayload, Outcome } from '@sluice/domain';

/** One wanted state of a target, as a command and its payload say it. */
export interface Activation {
  /** SHA-256 of the command: the same command is the same activation, however often it is taken up. */
  readonly id: string;
  readonly kind: CommandKind;
  readonly target: string;
  readonly environment: string;
  readonly promotionId: string;
  readonly planDigest: string;
  readonly health: CommandPayload['health'];
  /** Null empties the target. */
  readonly desired: CommandPayload['desired'];
}

/** Where a driver gets content from; the bytes are verified again as they are read. */
export interface BlobSource {
  openBlob(
    blob: Pick<BlobDescriptor, 'digest' | 'size'>,
    signal?: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>>;
}

/** What is active on a target. */
export interface ActiveRelease {
  readonly activationId: string;
  readonly releaseDigest: string;
  /** SHA-256 of the canonical settings that it was activated with, references unresolved. */
  readonly settingsDigest: string;
}

/**
 * Puts releases onto one target. Calls come one after the other; each may be repeated after the process was
 * killed in it, and then goes on where it was.
 */
export interface TargetDriver {
  /**
   * Brings everything that the activation needs to the target; what is active stays so. The source is not
   * asked for what is kept here and whole.
   * @throws DriverError, OciError, or what the source throws
   */
  prepare(activation: Activation, source: BlobSource, signal?: AbortSignal): Promise<void>;
  /**
   * Stops what is active and starts a prepared activation in its place.
   * @throws DriverError when it can not start; call {@link revert} then
   */
  activate(activationId: string): Promise<void>;
  /**
   * Waits until the active one is healthy, remembers that it was, and removes what need not be kept. Refused
   * when it is not: call {@link revert} then.
   */
  confirm(activationId: string, signal?: AbortSignal): Promise<Outcome<true>>;
  /**
   * Puts back what was active before. Refused when that is not healthy: a person must look.
   * @param signal ends only the wait for its health; it is put back and started all the same
   */
  revert(activationId: string, signal?: AbortSignal): Promise<Outcome<true>>;
  /** What is active; undefined when nothing is. */
  findActive(): Promise<ActiveRelease | undefined>;
  /** Sees to it that what is active runs, after this process was started. */
  resume(): Promise<void>;
  /** Lets go of the target: `stop` ends the service, `keep` leaves it running by itself. */
  close(service: 'stop' | 'keep'): Promise<void>;
}
