import type { ClosureStore } from './closure-store.ts';
import type { ImageStore } from './image-store.ts';
import type { PreparedRelease, ReleaseFolders } from './release-folders.ts';
import { selectKept } from './retention.ts';
import type { DriverLog } from './service-supervisor.ts';

/** Remembers which activations were healthy, and removes what need not stay on the target. */
export class ReleaseKeeper {
  readonly #folders: ReleaseFolders;
  readonly #images: ImageStore;
  readonly #closures: ClosureStore;
  readonly #keepReleases: number;
  readonly #log: DriverLog;
  readonly #onPoint: (point: 'marked' | 'pruning') => Promise<void>;

  constructor(options: {
    readonly folders: ReleaseFolders;
    readonly images: ImageStore;
    readonly closures: ClosureStore;
    readonly keepReleases: number;
    readonly log: DriverLog;
    readonly onPoint: (point: 'marked' | 'pruning') => Promise<void>;
  }) {
    this.#folders = options.folders;
    this.#images = options.images;
    this.#closures = options.closures;
    this.#keepReleases = options.keepReleases;
    this.#log = options.log;
    this.#onPoint = options.onPoint;
  }

  /**
   * Marks the current activation as confirmed, for good. A revert says that what it replaces was found bad by
   * whoever ordered it: that one's confirmation is taken back.
   * @param at RFC 3339
   */
  async confirm({ activation, previous, run }: PreparedRelease, at: string): Promise<void> {
    if (run !== null) await this.#folders.markConfirmed(activation.id, at);
    await this.#onPoint('marked');
    if (activation.kind !== 'revert' || previous === null) return;
    const replaced = (await this.#folders.find(previous))?.activation.desired?.release.digest;
    if (replaced === activation.desired?.release.digest) return;
    await this.#folders.unmarkConfirmed(previous);
  }

  /**
   * Removes what retention does not keep, activations before images and store paths. What can not be removed now is removed
   * after the next confirmation: no deployment fails for it.
   */
  async prune({ activation, previous }: PreparedRelease): Promise<void> {
    try {
      const kept = selectKept(
        await this.#folders.list(),
        [activation.id, ...(previous === null ? [] : [previous])],
        activation.desired?.release.digest ?? null,
        this.#keepReleases,
      );
      const used = await this.#folders.prune(kept);
      await this.#onPoint('pruning');
      await this.#images.prune(used.images);
      await this.#closures.prune(used.closures);
    } catch (error) {
      const { message, code } = error as { message: string; code?: unknown };
      this.#log('warn', `Old releases can not be removed: ${message}.`, { code });
    }
  }
}
