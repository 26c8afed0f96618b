import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { accepted, type Outcome, refused } from '@sluice/domain';
import type { ClosureLimits } from '@sluice/nix';
import type { UnpackLimits } from '@sluice/oci';
import { canonicalJson, digestOf } from '@sluice/pure';
import { ClosureStore } from './closure-store.ts';
import { DriverError } from './driver-error.ts';
import { waitUntilHealthy } from './health-probe.ts';
import { serviceEnvironment } from './image-command.ts';
import { ImageStore } from './image-store.ts';
import { nixCommand } from './nix-service.ts';
import { prepareRun } from './prepare-run.ts';
import { type PreparedRelease, type PreparedRun, ReleaseFolders } from './release-folders.ts';
import { ReleaseKeeper } from './release-keeper.ts';
import { createServiceLog } from './service-log.ts';
import { ServiceProcess, type ServiceSpec } from './service-process.ts';
import { type DriverLog, ServiceSupervisor } from './service-supervisor.ts';
import type { Activation, ActiveRelease, BlobSource, TargetDriver } from './target-driver.ts';
import { composeSticker } from './version-sticker.ts';

/** Moments inside of a driver's work at which a test may kill the process. */
export type DriverPoint = 'unpacked' | 'stopped' | 'switched' | 'started' | 'marked' | 'pruning';

/** Releases whose artifacts stay on a target, unless configured otherwise. */
export const DEFAULT_KEEP_RELEASES = 3;

/** Configuration of {@link createLinuxHostDriver}. */
export interface LinuxHostOptions {
  /** Folder of this target alone; made when it is not there. */
  readonly stateDir: string;
  /** Folder with one file per secret. */
  readonly secretsDir?: string | undefined;
  /** PATH of the service; this process's unless given. */
  readonly hostPath?: string;
  /** From SIGTERM to SIGKILL. Milliseconds; 10,000 unless given. */
  readonly graceMs?: number;
  /** How often the service is looked at. Milliseconds; 500 unless given. */
  readonly watchMs?: number;
  readonly limits?: Partial<UnpackLimits>;
  /** Folder of this agent alone for store paths of Nix; below {@link stateDir} unless given. */
  readonly nixStore?: string | undefined;
  readonly closureLimits?: ClosureLimits;
  /** How many of the last confirmed releases keep their artifacts here; {@link DEFAULT_KEEP_RELEASES} unless given. */
  readonly keepReleases?: number;
  /** Named in the version sticker: `sluice-agent/0.1.0`. */
  readonly generator: string;
  readonly log?: DriverLog;
  readonly now?: () => Date;
  /** Awaited at each {@link DriverPoint}; for fault tests. */
  readonly onPoint?: (point: DriverPoint) => Promise<void>;
}

/**
 * A driver for a plain Linux host: an unpacked image below `current`, its Entrypoint and Cmd run there as
 * this process's own user with the host's PATH, in a process group that outlives this process. No chroot, no
 * image User, no WorkingDir. Of components that Nix built: their closures in a store's folder, and `bin/start` of the one that has it.
 */
export async function createLinuxHostDriver(options: LinuxHostOptions): Promise<TargetDriver> {
  const folders = new ReleaseFolders(options.stateDir);
  await folders.open();
  const images = new ImageStore(options.stateDir);
  await images.open();
  const closures = new ClosureStore({
    stateDir: options.stateDir,
    folder: options.nixStore,
    limits: options.closureLimits,
  });
  await closures.open();
  const serviceLog = createServiceLog(join(options.stateDir, 'logs'));
  const supervisor = new ServiceSupervisor({
    service: new ServiceProcess(join(options.stateDir, 'service.json'), serviceLog),
    serviceLog,
    log: options.log ?? (() => undefined),
    graceMs: options.graceMs ?? 10_000,
    intervalMs: options.watchMs ?? 500,
  });
  return new LinuxHostDriver(options, folders, { images, closures }, supervisor);
}

class LinuxHostDriver implements TargetDriver {
  readonly #options: LinuxHostOptions;
  readonly #folders: ReleaseFolders;
  readonly #images: ImageStore;
  readonly #closures: ClosureStore;
  readonly #keeper: ReleaseKeeper;
  readonly #supervisor: ServiceSupervisor;

  constructor(
    options: LinuxHostOptions,
    folders: ReleaseFolders,
    { images, closures }: { readonly images: ImageStore; readonly closures: ClosureStore },
    supervisor: ServiceSupervisor,
  ) {
    this.#options = options;
    this.#folders = folders;
    this.#images = images;
    this.#closures = closures;
    this.#keeper = new ReleaseKeeper({
      folders,
      images,
      closures,
      keepReleases: options.keepReleases ?? DEFAULT_KEEP_RELEASES,
      log: options.log ?? (() => undefined),
      onPoint: (point) => this.#point(point),
    });
    this.#supervisor = supervisor;
  }

  async prepare(activation: Activation, source: BlobSource, signal?: AbortSignal): Promise<void> {
    if (await this.#folders.has(activation.id)) return;
    const { desired } = activation;
    const run = desired === null ? null : await this.#prepareRun(desired, source, signal);
    const previous = (await this.#folders.findCurrent()) ?? null;
    const release: PreparedRelease = { activation, previous, run };
    // What can be seen to fail is seen while the old service still runs.
    if (run !== null) await this.#environmentOf(release);
    const { generator } = this.#options;
    await this.#folders.add(release, composeSticker(activation, generator, this.#now()));
  }

  async activate(activationId: string): Promise<void> {
    const next = await this.#folders.get(activationId);
    const current = await this.#folders.findCurrent();
    const running = await this.#supervisor.findRunning();
    if (running !== undefined && (await this.#isReturnToSame(next, current))) {
      await this.#folders.switchTo(activationId);
      const { port } = next.activation.health;
      return this.#supervisor.relabel(running, await this.#specOf(next), port);
    }
    if (running?.activationId !== activationId) {
      await this.#supervisor.stop();
      await this.#point('stopped');
    }
    await this.#folders.switchTo(next.run === null ? null : activationId);
    await this.#point('switched');
    await this.#start(next);
    await this.#point('started');
  }

  async confirm(activationId: string, signal?: AbortSignal): Promise<Outcome<true>> {
    const confirmed = await this.#folders.get(activationId);
    const { run, activation } = confirmed;
    if (run !== null) {
      const outcome = await waitUntilHealthy(
        activation.health,
        () => this.#supervisor.whyEnded(),
        signal,
      );
      if (!outcome.ok) return outcome;
      this.#supervisor.keepRunning();
    }
    await this.#keeper.confirm(confirmed, this.#now());
    await this.#keeper.prune(confirmed);
    return accepted(true);
  }

  async revert(activationId: string, signal?: AbortSignal): Promise<Outcome<true>> {
    const { previous } = await this.#folders.get(activationId);
    const running = await this.#supervisor.findRunning();
    if (running !== undefined && running.activationId !== previous) await this.#supervisor.stop();
    await this.#folders.switchTo(previous);
    if (previous === null) {
      await this.#supervisor.stop();
      return accepted(true);
    }
    const before = await this.#folders.get(previous);
    try {
      await this.#start(before);
      const outcome = await waitUntilHealthy(
        before.activation.health,
        () => this.#supervisor.whyEnded(),
        signal,
      ).catch((error: unknown) => {
        if (signal?.aborted !== true) throw error;
        return accepted(true as const);
      });
      if (outcome.ok || signal?.aborted === true) return accepted(true);
      return refused(
        'revert-unhealthy',
        `The previous version is not well: ${outcome.refusal.message}`,
      );
    } catch (error) {
      const { code, message } = error as Partial<DriverError>;
      if (code === undefined) throw error;
      return refused('revert-unhealthy', `The previous version does not start: ${message}`);
    } finally {
      this.#supervisor.keepRunning();
    }
  }

  async findActive(): Promise<ActiveRelease | undefined> {
    const activationId = await this.#folders.findCurrent();
    if (activationId === undefined) return undefined;
    const desired = (await this.#folders.find(activationId))?.activation.desired ?? null;
    if (desired === null) return undefined;
    const { release, settings } = desired;
    return {
      activationId,
      releaseDigest: release.digest,
      settingsDigest: digestOf(settings),
    };
  }

  async resume(): Promise<void> {
    const current = await this.#folders.findCurrent();
    if (current === undefined) return this.#supervisor.stop();
    try {
      await this.#start(await this.#folders.get(current));
    } catch (error) {
      // Kept trying, as for a service that died: the host may give the port back.
      this.#options.log?.('error', (error as Error).message, {
        code: (error as { code?: unknown }).code,
      });
    }
    this.#supervisor.keepRunning();
  }

  async close(service: 'stop' | 'keep'): Promise<void> {
    if (service === 'stop') await this.#supervisor.stop();
    else await this.#supervisor.letGo();
  }

  #prepareRun(
    desired: NonNullable<Activation['desired']>,
    source: BlobSource,
    signal: AbortSignal | undefined,
  ): Promise<PreparedRun> {
    return prepareRun(desired, {
      source,
      images: this.#images,
      closures: this.#closures,
      limits: this.#options.limits,
      searchPath: this.#hostPath(),
      onUnpacked: () => this.#point('unpacked'),
      signal,
    });
  }

  /** A revert to what runs already (the agent had put it back by itself) must not interrupt it. */
  async #isReturnToSame(next: PreparedRelease, current: string | undefined): Promise<boolean> {
    if (next.activation.kind !== 'revert' || next.run === null || current === undefined)
      return false;
    if (current === next.activation.id) return false;
    const running = await this.#folders.find(current);
    if (running === undefined) return false;
    const contentOf = ({ desired, health }: Activation) => canonicalJson({ desired, health });
    return contentOf(running.activation) === contentOf(next.activation);
  }

  async #start(release: PreparedRelease): Promise<void> {
    if (release.run === null) return;
    await this.#supervisor.start(await this.#specOf(release), release.activation.health.port);
  }

  async #specOf(release: PreparedRelease): Promise<ServiceSpec> {
    const { run, activation } = release;
    if (run === null) throw new DriverError('activation-unknown', 'An empty target runs nothing.');
    const shared = { activationId: activation.id, environment: await this.#environmentOf(release) };
    if ('image' in run) {
      return { ...shared, command: run.command, cwd: await realpath(this.#images.path(run.image)) };
    }
    const { storePath, storeDir } = run.nix;
    const store = { storeDir, folder: this.#closures.folder };
    const command = await nixCommand(storePath, store, this.#hostPath());
    return { ...shared, command, cwd: this.#closures.placeOf(storePath) };
  }

  #environmentOf({ run, activation }: PreparedRelease): Promise<Readonly<Record<string, string>>> {
    return serviceEnvironment({
      hostPath: this.#hostPath(),
      imageEnv: run !== null && 'image' in run ? run.env : [],
      settings: activation.desired?.settings ?? {},
      secretsDir: this.#options.secretsDir,
    });
  }

  #hostPath(): string {
    return this.#options.hostPath ?? process.env.PATH ?? '/usr/bin:/bin';
  }

  #now(): string {
    return (this.#options.now?.() ?? new Date()).toISOString();
  }

  async #point(point: DriverPoint): Promise<void> {
    await this.#options.onPoint?.(point);
  }
}
