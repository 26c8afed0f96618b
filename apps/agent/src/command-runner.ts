import { type Outcome, refused, traceIdOf } from '@sluice/domain';
import type { Logger } from '@sluice/observability';
import { isOciError } from '@sluice/oci';
import type { Activation, TargetDriver } from '@sluice/target-drivers';
import { Backoff } from './backoff.ts';
import type { AdmittedCommand, CommandStore } from './command-store.ts';
import type { ContentStore } from './content-store.ts';
import type { FaultPoint } from './fault-point.ts';
import type { Journal, JournalEntry, JournalStage } from './journal.ts';
import type { ReportOutbox } from './report-outbox.ts';

type Failure = NonNullable<JournalEntry['failure']>;

/** The parts that a {@link CommandRunner} works with. */
export interface RunnerParts {
  readonly target: string;
  readonly journal: Journal;
  readonly commands: CommandStore;
  readonly content: ContentStore;
  readonly outbox: ReportOutbox;
  readonly driver: TargetDriver;
  readonly log: Logger;
  readonly faultPoint: FaultPoint;
  /** Called when a report was stored. */
  readonly onReport: () => void;
  readonly now: () => Date;
}

/**
 * Carries one admitted command out: fetch → activate → confirm, or revert. Every effect has a journal line
 * before and after it, and every step may be taken up again after the process was killed in it.
 */
export class CommandRunner {
  readonly #parts: RunnerParts;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
  }

  /** @throws AbortError when the agent ends; the command is then taken up at the next start */
  async run(admitted: AdmittedCommand, signal: AbortSignal): Promise<void> {
    const { journal, commands } = this.#parts;
    const { command, commandDigest, payload } = admitted;
    const log = this.#parts.log.child({
      traceId: traceIdOf(payload.traceparent),
      promotionId: command.promotionId,
      sequence: command.sequence,
    });
    if (journal.find(commandDigest, 'accepted') === undefined) {
      await commands.put(admitted);
      await this.#note(admitted, 'accepted');
      log.info({ kind: command.kind, release: command.releaseDigest }, 'The command was accepted.');
    }
    const failure = await this.#bringThere(admitted, signal, log);
    if (failure === undefined) {
      await this.#note(admitted, 'confirmed');
      log.info({ release: command.releaseDigest }, 'The command was carried out.');
    } else if (journal.find(commandDigest, 'activating') === undefined) {
      await this.#note(admitted, 'refused', failure);
      log.warn(failure, 'The command could not be begun; nothing was changed.');
    } else {
      await this.#revert(admitted, failure, log);
    }
    await this.#parts.content.clear();
  }

  /** @returns why it is not there and well; undefined when it is */
  async #bringThere(
    admitted: AdmittedCommand,
    signal: AbortSignal,
    log: Logger,
  ): Promise<Failure | undefined> {
    const { journal, driver, target } = this.#parts;
    const { commandDigest } = admitted;
    const reverting = journal.find(commandDigest, 'reverting');
    if (reverting !== undefined) return reverting.failure ?? failureOf(undefined);
    if (journal.find(commandDigest, 'fetched') === undefined) {
      await this.#note(admitted, 'fetching');
      const failure = await this.#fetch(admitted, activationOf(admitted, target), signal, log);
      if (failure !== undefined) return failure;
      await this.#note(admitted, 'fetched');
    }
    try {
      await this.#note(admitted, 'activating');
      await driver.activate(commandDigest);
      await this.#note(admitted, 'activated');
      const outcome = await driver.confirm(commandDigest, signal);
      return outcome.ok ? undefined : outcome.refusal;
    } catch (error) {
      if (signal.aborted) throw error;
      return failureOf(error);
    }
  }

  /** A control plane that is away is waited for until the command expires. */
  async #fetch(
    admitted: AdmittedCommand,
    activation: Activation,
    signal: AbortSignal,
    log: Logger,
  ): Promise<Failure | undefined> {
    const { driver, content, now } = this.#parts;
    const backoff = new Backoff();
    for (let damaged = 0; ; ) {
      try {
        await driver.prepare(activation, content, signal);
        return undefined;
      } catch (error) {
        if (signal.aborted) throw error;
        const failure = failureOf(error);
        const expired = now().getTime() >= Date.parse(admitted.command.expiresAt);
        if (isOciError(error) && error.code.endsWith('-mismatch') && error.digest !== undefined) {
          await content.remove(error.digest);
        }
        const again = failure.code === 'control-plane-unreachable' || isDamage(failure.code);
        if (isDamage(failure.code)) damaged += 1;
        if (!again || expired || damaged > 2) return failure;
        log.warn(failure, 'Fetching failed and is tried again.');
        await backoff.pause(signal);
        signal.throwIfAborted();
      }
    }
  }

  async #revert(admitted: AdmittedCommand, failure: Failure, log: Logger): Promise<void> {
    await this.#note(admitted, 'reverting', failure);
    log.warn(failure, 'The activation failed; what was there before is put back.');
    const outcome = await this.#parts.driver
      .revert(admitted.commandDigest)
      .catch((error: unknown): Outcome<true> => {
        log.error({ err: error }, 'Putting back failed.');
        return refused('revert-failed', failureOf(error).message);
      });
    const { code, message } = failure;
    const reason = outcome.ok
      ? failure
      : {
          code: outcome.refusal.code,
          message: `${outcome.refusal.message} (after ${code}: ${message})`,
        };
    await this.#note(admitted, 'reverted', reason);
  }

  async #note(
    { command, commandDigest }: AdmittedCommand,
    stage: JournalStage,
    failure: Failure | null = null,
  ): Promise<void> {
    const { journal, outbox, driver, faultPoint, onReport, now } = this.#parts;
    const { sequence, idempotencyKey, releaseDigest, fencingToken } = command;
    const entry = await journal.append({
      sequence,
      idempotencyKey,
      stage,
      releaseDigest,
      at: now().toISOString(),
      commandDigest,
      fencingToken,
      failure,
      activeRelease: (await driver.findActive())?.releaseDigest ?? null,
    });
    await faultPoint(stage);
    await outbox.add(entry);
    onReport();
  }
}

function activationOf(
  { command, commandDigest, payload }: AdmittedCommand,
  target: string,
): Activation {
  return {
    id: commandDigest,
    kind: command.kind,
    target,
    environment: payload.environment,
    promotionId: command.promotionId,
    planDigest: command.planDigest,
    health: payload.health,
    desired: payload.desired,
  };
}

function isDamage(code: string): boolean {
  return code === 'blob-corrupt' || /^(?:blob|layer)-(?:digest|size)-mismatch$/.test(code);
}

/** What a report says of an error: its own code where it has one, never a stack. */
function failureOf(error: unknown): Failure {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return {
    code:
      typeof code === 'string'
        ? code.toLowerCase().replaceAll('_', '-').slice(0, 128)
        : 'agent-failed',
    message: String(message ?? 'The agent failed; look at its log.').slice(0, 1000),
  };
}
