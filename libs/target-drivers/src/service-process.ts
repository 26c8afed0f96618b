import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { DriverError } from './driver-error.ts';
import { findJson, removeWhole, writeWhole } from './durable-file.ts';
import type { ImageCommand } from './image-command.ts';
import {
  findLeaderByEnvironment,
  findProcess,
  isRunning,
  listGroup,
  readBootId,
} from './proc-table.ts';
import type { ServiceLog } from './service-log.ts';

/** Environment variable by which a service is found again when its agent was killed while it started it. */
export const INSTANCE_VARIABLE = 'SLUICE_INSTANCE';

/** What is started. */
export interface ServiceSpec {
  readonly activationId: string;
  readonly command: ImageCommand;
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** What the record file says of the one service of a target. */
export interface ServiceRecord {
  readonly activationId: string;
  /** Random; the service has it in {@link INSTANCE_VARIABLE}. */
  readonly instance: string;
  readonly bootId: string;
  /** Null from before the start until the pid is known. */
  readonly pid: number | null;
  readonly startTime: number | null;
}

/**
 * The one service of a target: a process group of its own that outlives the agent. A record file, written
 * before and after the start, lets a later agent find it again without ever starting it twice.
 */
export class ServiceProcess {
  readonly #recordPath: string;
  readonly #log: ServiceLog;
  #lastExit: string | undefined;

  constructor(recordPath: string, log: ServiceLog) {
    this.#recordPath = recordPath;
    this.#log = log;
  }

  /** The record of the service if it runs; undefined when it does not. */
  async findRunning(): Promise<ServiceRecord | undefined> {
    const record = await findJson<ServiceRecord>(this.#recordPath);
    if (record === undefined || record.bootId !== (await readBootId())) return undefined;
    if (record.pid === null) return this.#adopt(record);
    const found = await findProcess(record.pid);
    const same = found !== undefined && found.startTime === record.startTime && isRunning(found);
    return same ? record : undefined;
  }

  /** How the service that this process started last ended; undefined when that is not known. */
  get lastExit(): string | undefined {
    return this.#lastExit;
  }

  /** @throws DriverError `service-start-failed` when the program can not be run */
  async start(spec: ServiceSpec): Promise<void> {
    const instance = randomUUID();
    const bootId = await readBootId();
    const { activationId } = spec;
    await this.#write({ activationId, instance, bootId, pid: null, startTime: null });
    const log = await this.#log.open();
    try {
      const [program, ...args] = spec.command;
      const child = spawn(program, args, {
        cwd: spec.cwd,
        env: { ...spec.environment, [INSTANCE_VARIABLE]: instance },
        detached: true,
        stdio: ['ignore', log.out, log.err],
      });
      this.#lastExit = undefined;
      child.on('exit', (code, signal) => {
        this.#lastExit = signal === null ? `with status ${code}` : `by ${signal}`;
      });
      await new Promise<void>((resolve, reject) => {
        child.once('spawn', resolve);
        child.once('error', reject);
      });
      child.unref();
      const pid = child.pid as number;
      const startTime = (await findProcess(pid))?.startTime ?? null;
      await this.#write({ activationId, instance, bootId, pid, startTime });
    } catch (cause) {
      await removeWhole(this.#recordPath);
      throw new DriverError(
        'service-start-failed',
        `"${spec.command.join(' ').slice(0, 200)}" can not be started: ${(cause as Error).message}. Is the program on this host's PATH?`,
        { cause },
      );
    } finally {
      await log.close();
    }
  }

  /** Says that the running service now belongs to another activation of the same content. */
  async relabel(record: ServiceRecord, activationId: string): Promise<void> {
    await this.#write({ ...record, activationId });
  }

  /**
   * SIGTERM to the group, SIGKILL after the grace time, and waits until no member is left.
   * @throws DriverError `service-stop-failed` when a member outlives SIGKILL by another grace time
   */
  async stop(graceMs: number): Promise<void> {
    const record = await findJson<ServiceRecord>(this.#recordPath);
    if (record === undefined) return;
    const group = await this.#groupOf(record);
    if (group !== undefined) {
      signalGroup(group, 'SIGTERM');
      if (!(await isGoneWithin(group, graceMs))) {
        signalGroup(group, 'SIGKILL');
        if (!(await isGoneWithin(group, Math.max(graceMs, 5000)))) {
          throw new DriverError(
            'service-stop-failed',
            `Process group ${group} of the service does not end by SIGKILL. Look at it with ps.`,
          );
        }
      }
    }
    await removeWhole(this.#recordPath);
  }

  /** The group to stop: also when its leader is gone and children are left. */
  async #groupOf(record: ServiceRecord): Promise<number | undefined> {
    if (record.bootId !== (await readBootId())) return undefined;
    if (record.pid === null) return (await this.#adopt(record))?.pid ?? undefined;
    const leader = await findProcess(record.pid);
    // A pid is not given anew while a group has its number: a stranger there means that ours is gone.
    if (leader !== undefined && leader.startTime !== record.startTime) return undefined;
    return (await listGroup(record.pid)).length > 0 ? record.pid : undefined;
  }

  /** The agent was killed between the start and the record: the environment tells which one it is. */
  async #adopt(record: ServiceRecord): Promise<ServiceRecord | undefined> {
    const line = `${INSTANCE_VARIABLE}=${record.instance}`;
    let found = await findLeaderByEnvironment(line);
    if (found === undefined) {
      // Between fork and exec a process still shows its parent's environment.
      await sleep(200);
      found = await findLeaderByEnvironment(line);
    }
    if (found === undefined) return undefined;
    const adopted = { ...record, pid: found.pid, startTime: found.startTime };
    await this.#write(adopted);
    return adopted;
  }

  async #write(record: ServiceRecord): Promise<void> {
    await writeWhole(this.#recordPath, `${JSON.stringify(record)}\n`);
  }
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch (error) {
    // Gone meanwhile: just what was wanted.
    if ((error as { code?: unknown }).code !== 'ESRCH') throw error;
  }
}

async function isGoneWithin(group: number, milliseconds: number): Promise<boolean> {
  const end = Date.now() + milliseconds;
  for (;;) {
    if ((await listGroup(group)).length === 0) return true;
    if (Date.now() >= end) return false;
    await sleep(50);
  }
}
