import { type Outcome, refused, traceIdOf } from '@sluice/domain';
import type { Logger, OpenSpan } from '@sluice/observability';
import type { CommandEffects } from './command-effects.ts';
import { inCommandSpan, inPartSpan } from './command-span.ts';
import type { AdmittedCommand, CommandStore } from './command-store.ts';
import { type Failure, failureOf, supersededBy } from './failure.ts';
import type { FaultPoint } from './fault-point.ts';
import type { Journal, JournalEntry, JournalStage } from './journal.ts';
import type { ReportOutbox } from './report-outbox.ts';

/** The parts that a {@link CommandRunner} works with. */
export interface RunnerParts {
  readonly journal: Journal;
  readonly commands: CommandStore;
  readonly outbox: ReportOutbox;
  readonly effects: CommandEffects;
  readonly log: Logger;
  readonly faultPoint: FaultPoint;
  /** Called when a report was stored. */
  readonly onReport: () => void;
  readonly now: () => Date;
}

/** What the steps of one command share. */
interface Run extends AdmittedCommand {
  readonly log: Logger;
  readonly span: OpenSpan;
  /** The agent ends: the command is taken up at its next start. */
  readonly stop: AbortSignal;
  /** A newer command that decides was accepted. */
  readonly superseded: AbortSignal;
  readonly either: AbortSignal;
}

/** Why a command is not carried out. */
interface Setback {
  readonly failure: Failure;
  /** Nothing was changed, and nothing is to be put back. */
  readonly isUntouched: boolean;
}

/**
 * Carries admitted commands out, one after the other: fetch → activate → confirm, or revert. Every effect has
 * a journal line before and after it, and every step may be taken up again after the process was killed in
 * it. Whether a command is superseded is read from the journal, so a restarted agent knows it too.
 */
export class CommandRunner {
  readonly #parts: RunnerParts;
  #running: { readonly fencingToken: number; readonly interrupt: AbortController } | undefined;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
  }

  /** Takes a command over for good; one with a higher fencing token, or that says everything anew, interrupts the one that runs. */
  async accept(admitted: AdmittedCommand): Promise<void> {
    const { command } = admitted;
    await this.#parts.commands.put(admitted);
    await this.#note(admitted, 'accepted');
    const { kind, releaseDigest: release } = command;
    this.#logOf(admitted).info({ kind, release }, 'The command was accepted.');
    const running = this.#running;
    if (running === undefined) return;
    const { effects } = this.#parts;
    if (effects.isLastDecisive || running.fencingToken < command.fencingToken) {
      running.interrupt.abort();
    }
  }

  /** @throws AbortError when the agent ends; the command is then taken up at the next start */
  async run(admitted: AdmittedCommand, stop: AbortSignal): Promise<void> {
    const { commands, effects } = this.#parts;
    const { fencingToken } = admitted.command;
    const interrupt = new AbortController();
    // Set before the journal is asked: what is accepted from here on finds it.
    this.#running = { fencingToken, interrupt };
    try {
      if (this.#findNewer(admitted) !== undefined) interrupt.abort();
      const superseded = interrupt.signal;
      const either = AbortSignal.any([stop, superseded]);
      const log = this.#logOf(admitted);
      await inCommandSpan(admitted, (span) =>
        this.#carryOut({ ...admitted, log, span, stop, superseded, either }),
      );
    } finally {
      this.#running = undefined;
    }
    await commands.remove(admitted.commandDigest);
    await effects.clear();
  }

  async #carryOut(run: Run): Promise<void> {
    const setback = await this.#bringThere(run);
    const { log, command, span } = run;
    if (setback === undefined) {
      await this.#note(run, 'confirmed');
      log.info({ release: command.releaseDigest }, 'The command was carried out.');
    } else if (setback.isUntouched) {
      await this.#note(run, 'refused', setback.failure);
      log.warn(setback.failure, 'The command could not be begun; nothing was changed.');
    } else {
      await this.#revert(run, setback.failure);
    }
    span.note({ outcome: setback?.failure.code ?? 'confirmed' });
  }

  /** @returns why it is not there and well; undefined when it is */
  async #bringThere(run: Run): Promise<Setback | undefined> {
    const { journal, effects } = this.#parts;
    const { commandDigest, span, stop, superseded, either } = run;
    const changed = (failure: Failure): Setback => ({ failure, isUntouched: false });
    const reverting = journal.find(commandDigest, 'reverting');
    if (reverting !== undefined) return changed(reverting.failure ?? failureOf(undefined));
    if (!this.#has(run, 'activating')) {
      const failure =
        (await this.#findUnfit(run)) ??
        (await this.#fetch(run)) ??
        (superseded.aborted ? this.#whySuperseded(run) : undefined);
      if (failure !== undefined) return { failure, isUntouched: true };
    }
    try {
      if (superseded.aborted) return changed(this.#whySuperseded(run));
      await this.#note(run, 'activating');
      const unbegun = await inPartSpan(span, 'activate', () => effects.activate(run, either));
      if (unbegun !== undefined) return { failure: unbegun, isUntouched: true };
      await this.#note(run, 'activated');
      const outcome = await inPartSpan(span, 'confirm', () => effects.confirm(run, either));
      if (outcome.ok) return undefined;
      return changed(superseded.aborted ? this.#whySuperseded(run) : outcome.refusal);
    } catch (error) {
      if (stop.aborted) throw error;
      return changed(superseded.aborted ? this.#whySuperseded(run) : failureOf(error));
    }
  }

  /** What forbids to begin; nothing was changed yet. */
  async #findUnfit(run: Run): Promise<Failure | undefined> {
    const { effects, now } = this.#parts;
    const { command, superseded } = run;
    if (superseded.aborted) return this.#whySuperseded(run);
    const expired = now().getTime() >= Date.parse(command.expiresAt);
    if (expired && !this.#has(run, 'fetching')) {
      const message = `The command expired at ${command.expiresAt}, before its turn came.`;
      return { code: 'command-expired', message };
    }
    return effects.findUnfit(run);
  }

  async #fetch(run: Run): Promise<Failure | undefined> {
    const { effects } = this.#parts;
    if (effects.fetch === undefined || this.#has(run, 'fetched')) return undefined;
    const { span, log, stop, superseded, either } = run;
    await this.#note(run, 'fetching');
    try {
      const failure = await inPartSpan(span, 'fetch', async () =>
        effects.fetch?.(run, log, either),
      );
      if (failure !== undefined) return failure;
    } catch (error) {
      if (stop.aborted || !superseded.aborted) throw error;
      return this.#whySuperseded(run);
    }
    await this.#note(run, 'fetched');
    return undefined;
  }

  /** What was there is started again even for a newer command, which may fail; only its health is not waited for. */
  async #revert(run: Run, failure: Failure): Promise<void> {
    const { log, span, stop, either } = run;
    await this.#note(run, 'reverting', failure);
    log.warn(failure, 'The activation is given up; what was there before is put back.');
    const outcome = await inPartSpan(span, 'revert', () =>
      this.#parts.effects.revert(run, either),
    ).catch((error: unknown): Outcome<true> => {
      log.error({ err: error }, 'Putting back failed.');
      return refused('revert-failed', failureOf(error).message);
    });
    // Whether it is well is not known then: the next start looks again.
    stop.throwIfAborted();
    const { code, message } = failure;
    const reason = outcome.ok
      ? failure
      : {
          code: outcome.refusal.code,
          message: `${outcome.refusal.message} (after ${code}: ${message})`,
        };
    await this.#note(run, 'reverted', reason);
  }

  #has({ commandDigest }: AdmittedCommand, stage: JournalStage): boolean {
    return this.#parts.journal.find(commandDigest, stage) !== undefined;
  }

  #whySuperseded(admitted: AdmittedCommand): Failure {
    return supersededBy(this.#findNewer(admitted), admitted.command.fencingToken);
  }

  /** The command that decides in the place of this one; undefined where there is none. */
  #findNewer({ command }: AdmittedCommand): JournalEntry | undefined {
    const { journal, effects } = this.#parts;
    return effects.isLastDecisive
      ? journal.findLater(command.sequence)
      : journal.findNewer(command.fencingToken);
  }

  #logOf({ command, payload }: AdmittedCommand): Logger {
    return this.#parts.log.child({
      traceId: traceIdOf(payload.traceparent),
      promotionId: command.promotionId,
      sequence: command.sequence,
    });
  }

  async #note(
    { command, commandDigest }: AdmittedCommand,
    stage: JournalStage,
    failure: Failure | null = null,
  ): Promise<void> {
    const { journal, outbox, effects, faultPoint, onReport, now } = this.#parts;
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
      activeRelease: await effects.findActiveRelease(),
    });
    await faultPoint(stage, sequence);
    await outbox.add(entry);
    onReport();
  }
}
