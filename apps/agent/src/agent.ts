import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentClient, CommandDelivery } from '@sluice/agent-protocol';
import type { Logger } from '@sluice/observability';
import type { KeyPair } from '@sluice/signing';
import type { TargetDriver } from '@sluice/target-drivers';
import { AGENT_VERSION } from './agent-settings.ts';
import { Backoff, pauseFor } from './backoff.ts';
import { takeIn } from './command-intake.ts';
import { CommandRunner } from './command-runner.ts';
import { CommandStore } from './command-store.ts';
import { ContentStore } from './content-store.ts';
import type { FaultPoint } from './fault-point.ts';
import type { Enrolment } from './identity.ts';
import { Journal } from './journal.ts';
import { ReportOutbox } from './report-outbox.ts';

/** What an {@link Agent} is built from. */
export interface AgentParts {
  readonly stateDir: string;
  readonly keyPair: KeyPair;
  readonly enrolment: Enrolment;
  readonly client: AgentClient;
  readonly driver: TargetDriver;
  readonly log: Logger;
  readonly faultPoint: FaultPoint;
  readonly pollSeconds: number;
  readonly now?: () => Date;
}

/**
 * One target's agent: takes signed commands in by long poll, one after the other, and carries them out;
 * beats its heart and sends its reports meanwhile. Without a control plane it keeps what is active running.
 */
export class Agent {
  readonly #parts: AgentParts;
  readonly #journal: Journal;
  readonly #outbox: ReportOutbox;
  readonly #commands: CommandStore;
  readonly #runner: CommandRunner;
  readonly #now: () => Date;
  /** Last sequence that was delivered, refused or not: where the next poll begins. */
  #cursor: number;
  #wake: () => void = () => undefined;

  private constructor(
    parts: AgentParts,
    journal: Journal,
    outbox: ReportOutbox,
    commands: CommandStore,
    content: ContentStore,
  ) {
    this.#parts = parts;
    this.#journal = journal;
    this.#outbox = outbox;
    this.#commands = commands;
    this.#now = parts.now ?? (() => new Date());
    this.#cursor = journal.memory.lastSequence;
    const { driver, log, faultPoint } = parts;
    this.#runner = new CommandRunner({
      target: parts.enrolment.target,
      journal,
      commands,
      content,
      outbox,
      driver,
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
    await commands.open();
    const content = new ContentStore(join(stateDir, 'blobs'), client);
    await content.open();
    return new Agent(parts, journal, outbox, commands, content);
  }

  /** Works until the signal is aborted; what is unfinished then is taken up at the next start. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await Promise.all([this.#work(signal), this.#beat(signal), this.#sendReports(signal)]);
    } finally {
      await this.#journal.close();
    }
  }

  async #work(signal: AbortSignal): Promise<void> {
    try {
      await this.#resume(signal);
      await this.#poll(signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Takes up the command in which the last process ended, then sees that what is active runs. */
  async #resume(signal: AbortSignal): Promise<void> {
    const { driver, log } = this.#parts;
    const unfinished = this.#journal.findUnfinished();
    if (unfinished === undefined) return driver.resume();
    const { commandDigest, sequence } = unfinished;
    const admitted = await this.#commands.find(commandDigest);
    if (admitted === undefined) {
      throw new Error(`Command ${commandDigest} was accepted, but its file in commands/ is gone.`);
    }
    log.info({ sequence }, 'An accepted command is taken up again.');
    // Until the switch has begun the old version must serve; after that the command decides what runs.
    if (this.#journal.find(commandDigest, 'activating') === undefined) await driver.resume();
    await this.#runner.run(admitted, signal);
  }

  async #poll(signal: AbortSignal): Promise<void> {
    const { client, log, pollSeconds } = this.#parts;
    const backoff = new Backoff();
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
        await this.#take(delivery, signal);
      }
      // A forged command with a high sequence must not hide true ones for ever.
      if (deliveries.length > 0) continue;
      this.#cursor = this.#journal.memory.lastSequence;
      // A control plane that answers at once instead of waiting must not keep both ends busy.
      await pauseFor(100, signal);
    }
  }

  async #take(delivery: CommandDelivery, signal: AbortSignal): Promise<void> {
    const { enrolment, driver, log } = this.#parts;
    const intake = takeIn(delivery, enrolment, this.#journal, this.#now().getTime());
    this.#cursor = Math.max(this.#cursor, delivery.sequence);
    if ('admitted' in intake) return this.#runner.run(intake.admitted, signal);
    const { refusal, commandDigest, sequence, command } = intake;
    if (this.#journal.find(commandDigest, 'refused') !== undefined) return;
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
      activeRelease: (await driver.findActive())?.releaseDigest ?? null,
    });
    await this.#outbox.add(entry);
    this.#wake();
  }

  async #beat(signal: AbortSignal): Promise<void> {
    const { client, driver, enrolment, log } = this.#parts;
    while (!signal.aborted) {
      try {
        const activeRelease = (await driver.findActive())?.releaseDigest ?? null;
        const { lastSequence } = this.#journal.memory;
        await client.heartbeat({ version: AGENT_VERSION, activeRelease, lastSequence }, signal);
      } catch (error) {
        if (!signal.aborted) log.warn({ err: error }, 'The heartbeat did not arrive.');
      }
      await pauseFor(enrolment.heartbeatSeconds * 1000, signal);
    }
  }

  async #sendReports(signal: AbortSignal): Promise<void> {
    const { client, log, faultPoint } = this.#parts;
    const backoff = new Backoff(250, 10_000);
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
