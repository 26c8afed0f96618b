import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentClient, CommandDelivery } from '@sluice/agent-protocol';
import type { Logger } from '@sluice/observability';
import type { Router } from '@sluice/router';
import type { KeyPair } from '@sluice/signing';
import type { TargetDriver } from '@sluice/target-drivers';
import { AGENT_VERSION } from './agent-settings.ts';
import { Backoff, pauseFor } from './backoff.ts';
import type { CommandEffects } from './command-effects.ts';
import { takeIn } from './command-intake.ts';
import { CommandRunner } from './command-runner.ts';
import { CommandStore } from './command-store.ts';
import { ContentStore } from './content-store.ts';
import type { FaultPoint } from './fault-point.ts';
import type { Enrolment } from './identity.ts';
import { Journal } from './journal.ts';
import { ReportOutbox } from './report-outbox.ts';
import { createRouterEffects } from './router-effects.ts';
import { createTargetEffects } from './target-effects.ts';

/** What an agent acts on: it puts releases on a target, or moves the requests of a router. */
export type AgentHost = { readonly driver: TargetDriver } | { readonly router: Router };

/** What an {@link Agent} is built from. */
export interface AgentParts {
  readonly stateDir: string;
  readonly keyPair: KeyPair;
  readonly enrolment: Enrolment;
  readonly client: AgentClient;
  readonly host: AgentHost;
  readonly log: Logger;
  readonly faultPoint: FaultPoint;
  readonly pollSeconds: number;
  readonly now?: () => Date;
}

/**
 * The agent of one target or router: takes signed commands in by long poll and carries them out one after the other; beats
 * its heart, sends its reports and goes on polling meanwhile, for a newer command may supersede the one that
 * runs. Without a control plane it keeps what is active running.
 */
export class Agent {
  readonly #parts: AgentParts;
  readonly #journal: Journal;
  readonly #outbox: ReportOutbox;
  readonly #commands: CommandStore;
  readonly #runner: CommandRunner;
  readonly #effects: CommandEffects;
  readonly #now: () => Date;
  readonly #pollBackoff = new Backoff();
  readonly #reportBackoff = new Backoff(250, 10_000);
  /** Last sequence that was delivered, refused or not: where the next poll begins. */
  #cursor: number;
  #wake: () => void = () => undefined;
  #wakeWork: () => void = () => undefined;
  /** The command that is being accepted: it is not begun before that is done. */
  #accepting: Promise<void> = Promise.resolve();

  private constructor(
    parts: AgentParts,
    journal: Journal,
    outbox: ReportOutbox,
    commands: CommandStore,
    effects: CommandEffects,
  ) {
    this.#parts = parts;
    this.#effects = effects;
    this.#journal = journal;
    this.#outbox = outbox;
    this.#commands = commands;
    this.#now = parts.now ?? (() => new Date());
    this.#cursor = journal.memory.lastSequence;
    const { log, faultPoint } = parts;
    this.#runner = new CommandRunner({
      journal,
      commands,
      outbox,
      effects,
      log,
      faultPoint,
      onReport: () => this.#wake(),
      now: this.#now,
    });
  }

  /** Opens journal, stores and outbox in the state folder. @throws JournalError */
  static async open(parts: AgentParts): Promise<Agent> {
    const { stateDir, keyPair, enrolment, client } = parts;
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    const journal = await Journal.open(join(stateDir, 'journal.jsonl'));
    const { tenantId, target } = enrolment;
    const outbox = new ReportOutbox(join(stateDir, 'reports'), { keyPair, tenantId, target });
    await outbox.open(journal.entries);
    const commands = new CommandStore(join(stateDir, 'commands'));
    await commands.open(journal.listUnfinished());
    const content = new ContentStore(join(stateDir, 'blobs'), client);
    await content.open();
    const { host, log, now = () => new Date() } = parts;
    const effects =
      'router' in host
        ? createRouterEffects({ router: host.router, log, now })
        : createTargetEffects({ target, driver: host.driver, content, now });
    return new Agent(parts, journal, outbox, commands, effects);
  }

  /**
   * Works until the signal is aborted; what is unfinished then is taken up at the next start.
   * @throws what ended one of its loops; the others have ended then
   */
  async run(signal: AbortSignal): Promise<void> {
    const failure = new AbortController();
    const either = AbortSignal.any([signal, failure.signal]);
    either.addEventListener('abort', () => this.#wakeWork(), { once: true });
    const loops = [
      this.#work(either),
      this.#poll(either),
      this.#beat(either),
      this.#sendReports(either),
      this.#keep(either),
    ].map((loop) =>
      loop.catch((error: unknown) => {
        failure.abort();
        throw error;
      }),
    );
    const ends = await Promise.allSettled(loops);
    await this.#journal.close();
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async #work(signal: AbortSignal): Promise<void> {
    const { log } = this.#parts;
    try {
      // Until a switch has begun the old version must serve; after that the command decides what runs.
      const [oldest] = this.#journal.listUnfinished();
      const isSwitching =
        oldest !== undefined &&
        this.#journal.find(oldest.commandDigest, 'activating') !== undefined;
      if (oldest !== undefined) {
        log.info({ sequence: oldest.sequence }, 'An accepted command is taken up again.');
      }
      if (!isSwitching) await this.#effects.resume();
      while (!signal.aborted) await this.#runNext(signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Carries the oldest accepted command out, or waits for one. */
  async #runNext(signal: AbortSignal): Promise<void> {
    // Made before the journal is looked at, so that nothing that is accepted meanwhile is overslept.
    const woken = new Promise<void>((resolve) => {
      this.#wakeWork = resolve;
    });
    await this.#accepting;
    const [next] = this.#journal.listUnfinished();
    if (next === undefined) return signal.aborted ? undefined : woken;
    const { commandDigest } = next;
    const admitted = await this.#commands.find(commandDigest);
    if (admitted === undefined) {
      throw new Error(`Command ${commandDigest} was accepted, but its file in commands/ is gone.`);
    }
    await this.#runner.run(admitted, signal);
  }

  async #poll(signal: AbortSignal): Promise<void> {
    const { client, log, pollSeconds } = this.#parts;
    const backoff = this.#pollBackoff;
    while (!signal.aborted) {
      let deliveries: readonly CommandDelivery[];
      try {
        deliveries = await client.pollCommands(this.#cursor, pollSeconds, signal);
        backoff.reset();
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ err: error }, 'Commands can not be asked for; what is active stays.');
        await backoff.pause(signal);
        continue;
      }
      for (const delivery of deliveries) {
        if (signal.aborted) return;
        await this.#take(delivery);
      }
      // A forged command with a high sequence must not hide true ones for ever.
      if (deliveries.length > 0) continue;
      this.#cursor = this.#journal.memory.lastSequence;
      // A control plane that answers at once instead of waiting must not keep both ends busy.
      await pauseFor(100, signal);
    }
  }

  async #take(delivery: CommandDelivery): Promise<void> {
    const { enrolment, log } = this.#parts;
    const now = this.#now().getTime();
    const intake = takeIn(delivery, enrolment, this.#journal, this.#effects, now);
    this.#cursor = Math.max(this.#cursor, delivery.sequence);
    const digest = 'admitted' in intake ? intake.admitted.commandDigest : intake.commandDigest;
    // Refused is final; and a copy of what is not finished yet must not give it an end.
    if (this.#journal.find(digest, 'refused') !== undefined) return;
    if (this.#journal.listUnfinished().some((entry) => entry.commandDigest === digest)) return;
    if ('admitted' in intake) {
      this.#accepting = this.#runner.accept(intake.admitted);
      await this.#accepting;
      return this.#wakeWork();
    }
    const { refusal, commandDigest, sequence, command } = intake;
    log.warn({ sequence, ...refusal }, 'The command was refused.');
    const entry = await this.#journal.append({
      sequence,
      idempotencyKey: command?.idempotencyKey ?? null,
      stage: 'refused',
      releaseDigest: command?.releaseDigest ?? null,
      at: this.#now().toISOString(),
      commandDigest,
      fencingToken: command?.fencingToken ?? 0,
      failure: { code: refusal.code, message: refusal.message.slice(0, 1000) },
      activeRelease: await this.#effects.findActiveRelease(),
    });
    await this.#outbox.add(entry);
    this.#wake();
  }

  async #beat(signal: AbortSignal): Promise<void> {
    const { client, enrolment, log } = this.#parts;
    while (!signal.aborted) {
      try {
        const activeRelease = await this.#effects.findActiveRelease();
        const { lastSequence } = this.#journal.memory;
        await client.heartbeat({ version: AGENT_VERSION, activeRelease, lastSequence }, signal);
        // It is there again: a control plane that comes and goes is not missed by a long pause.
        this.#pollBackoff.wake();
        this.#reportBackoff.wake();
      } catch (error) {
        if (!signal.aborted) log.warn({ err: error }, 'The heartbeat did not arrive.');
      }
      await pauseFor(enrolment.heartbeatSeconds * 1000, signal);
    }
  }

  /** What is in force is seen to as often as the heart beats. */
  async #keep(signal: AbortSignal): Promise<void> {
    const { keep } = this.#effects;
    const pauseMs = this.#parts.enrolment.heartbeatSeconds * 1000;
    while (keep !== undefined && !signal.aborted) {
      await pauseFor(pauseMs, signal);
      if (!signal.aborted) await keep(signal);
    }
  }

  async #sendReports(signal: AbortSignal): Promise<void> {
    const { client, log, faultPoint } = this.#parts;
    const backoff = this.#reportBackoff;
    while (!signal.aborted) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      try {
        const { sent, refusals } = await this.#outbox.send(client, signal);
        for (const refusal of refusals) {
          log.error({ refusal }, 'The control plane will not take a report; it is put aside.');
        }
        backoff.reset();
        if (sent > 0) await faultPoint('reported');
        const pause = new AbortController();
        await Promise.race([woken, pauseFor(5000, AbortSignal.any([signal, pause.signal]))]);
        pause.abort();
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ err: error }, 'Reports wait for the control plane.');
        await backoff.pause(signal);
      }
    }
  }
}
