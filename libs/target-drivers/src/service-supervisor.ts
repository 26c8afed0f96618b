import { setTimeout as sleep } from 'node:timers/promises';
import { DriverError } from './driver-error.ts';
import { isPortTaken } from './health-probe.ts';
import type { ServiceLog } from './service-log.ts';
import type { ServiceProcess, ServiceRecord, ServiceSpec } from './service-process.ts';

/** What a driver logs; the message is a sentence. */
export type DriverLog = (
  level: 'info' | 'warn' | 'error',
  message: string,
  fields?: Readonly<Record<string, unknown>>,
) => void;

/** A service that ran this long starts anew with the shortest pause. Milliseconds. */
const STEADY_MS = 60_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

/** A group that is gone: the kernel may still take a moment to give its sockets back. */
const PORT_PATIENCE_MS = 2000;

/** Keeps the one service of a target running: looks at it, starts it again when it died, bounds its log. */
export class ServiceSupervisor {
  readonly #service: ServiceProcess;
  readonly #serviceLog: ServiceLog;
  readonly #log: DriverLog;
  readonly #graceMs: number;
  readonly #intervalMs: number;
  #wanted: { readonly spec: ServiceSpec; readonly port: number } | undefined;
  #watch: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined;

  constructor(options: {
    readonly service: ServiceProcess;
    readonly serviceLog: ServiceLog;
    readonly log: DriverLog;
    readonly graceMs: number;
    readonly intervalMs: number;
  }) {
    this.#service = options.service;
    this.#serviceLog = options.serviceLog;
    this.#log = options.log;
    this.#graceMs = options.graceMs;
    this.#intervalMs = options.intervalMs;
  }

  findRunning(): Promise<ServiceRecord | undefined> {
    return this.#service.findRunning();
  }

  /**
   * Starts the service unless it runs already. It is not kept running before {@link keepRunning} is called,
   * so that a service that dies at once is seen to do so.
   * @throws DriverError `port-in-use`, `service-start-failed`
   */
  async start(spec: ServiceSpec, port: number): Promise<void> {
    await this.#endWatch();
    this.#wanted = { spec, port };
    const running = await this.#service.findRunning();
    if (running?.activationId === spec.activationId) return;
    if (running !== undefined) await this.#service.stop(this.#graceMs);
    await this.#startOnce();
  }

  /** From now on the service is started again whenever it died. */
  keepRunning(): void {
    if (this.#watch !== undefined) return;
    const stop = new AbortController();
    this.#watch = { stop, ended: this.#watchUntil(stop.signal) };
  }

  /** Ends the service, its whole group, and waits until its port is free. */
  async stop(): Promise<void> {
    await this.#endWatch();
    const port = this.#wanted?.port;
    this.#wanted = undefined;
    await this.#service.stop(this.#graceMs);
    if (port !== undefined) await isFreeWithin(port, PORT_PATIENCE_MS);
  }

  /** The service goes on by itself. */
  async letGo(): Promise<void> {
    await this.#endWatch();
    this.#wanted = undefined;
  }

  /** Says that what runs belongs to another activation of the same content. */
  async relabel(record: ServiceRecord, spec: ServiceSpec, port: number): Promise<void> {
    await this.#endWatch();
    this.#wanted = { spec, port };
    await this.#service.relabel(record, spec.activationId);
  }

  /** Why the service does not run; undefined while it does. */
  async whyEnded(): Promise<string | undefined> {
    if ((await this.#service.findRunning()) !== undefined) return undefined;
    const lines = await this.#serviceLog.tail();
    const how = this.#service.lastExit ?? 'unseen';
    return `The service ended ${how}. Its last words: ${lines === '' ? '(none)' : lines}`;
  }

  async #startOnce(): Promise<void> {
    if (this.#wanted === undefined) return;
    const { spec, port } = this.#wanted;
    // What an earlier run of this agent had started may just have been ended: nobody knew its port then.
    if (!(await isFreeWithin(port, PORT_PATIENCE_MS))) {
      throw new DriverError(
        'port-in-use',
        `Port ${port} of this host is taken by another process, the service was not started. Find it with "ss -ltnp", or change the target's settings.`,
      );
    }
    await this.#service.start(spec);
  }

  async #endWatch(): Promise<void> {
    const watch = this.#watch;
    this.#watch = undefined;
    watch?.stop.abort();
    await watch?.ended;
  }

  async #watchUntil(signal: AbortSignal): Promise<void> {
    let pause = FIRST_PAUSE_MS;
    let startedAt = Date.now();
    while (!signal.aborted) {
      await pauseFor(this.#intervalMs, signal);
      if (signal.aborted) return;
      try {
        await this.#serviceLog.bound();
        const why = await this.whyEnded();
        if (why === undefined) continue;
        if (Date.now() - startedAt > STEADY_MS) pause = FIRST_PAUSE_MS;
        this.#log('warn', why, { restartInMs: pause });
        await pauseFor(pause, signal);
        if (signal.aborted) return;
        pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
        // Children that outlived their leader hold its port.
        await this.#service.stop(this.#graceMs);
        await this.#startOnce();
        startedAt = Date.now();
        this.#log('info', 'The service was started again.');
      } catch (error) {
        this.#log('error', (error as Error).message, { code: (error as { code?: unknown }).code });
      }
    }
  }
}

async function pauseFor(milliseconds: number, signal: AbortSignal): Promise<void> {
  // An abort only wakes the sleeper, who looks at the signal.
  await sleep(milliseconds, undefined, { signal, ref: false }).catch(() => undefined);
}

/** False when somebody still has the port after that time. */
async function isFreeWithin(port: number, ms: number): Promise<boolean> {
  for (const deadline = Date.now() + ms; ; await sleep(50)) {
    if (!(await isPortTaken(port))) return true;
    if (Date.now() >= deadline) return false;
  }
}
