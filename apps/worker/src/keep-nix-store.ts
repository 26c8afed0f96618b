import { type Collected, createStoreKeeper, type Nix, type StoreKeeper } from '@sluice/nix';
import type { Logger } from '@sluice/observability';
import { pause } from './keep-trying.ts';
import type { NixBuildSettings } from './worker-settings-nix.ts';

/** Between looks whether a collection is due and nothing builds. Milliseconds. */
const LOOK_MS = 300_000;
/** A collection that takes longer is ended, and goes on another time. Milliseconds. */
const LONGEST_MS = 1_800_000;
const HOUR_MS = 3_600_000;

/** What looks after a store of its own while this worker runs. */
export interface NixStoreKeeping {
  stop(): Promise<void>;
}

/**
 * Collects the garbage of this worker's own Nix store now and then, when nothing builds in it. The machine's store is its owner's to collect.
 * @param lookMs between looks
 */
export function keepNixStore(
  nix: Nix,
  settings: Pick<NixBuildSettings, 'nixKeepBuilds' | 'nixKeepDays' | 'nixCollectHours'>,
  logger: Logger,
  keeper: StoreKeeper = createStoreKeeper(nix),
  lookMs: number = LOOK_MS,
): NixStoreKeeping {
  const { nixKeepBuilds, nixKeepDays, nixCollectHours } = settings;
  if (nix.store.kind !== 'own' || nixCollectHours === 0) return { stop: async () => undefined };
  const stopping = new AbortController();
  const keeping = (async () => {
    for (;;) {
      await pause(lookMs, stopping.signal);
      if (stopping.signal.aborted) return;
      try {
        tell(
          await keeper.collect({
            builds: nixKeepBuilds,
            milliseconds: nixKeepDays * 24 * HOUR_MS,
            everyMs: nixCollectHours * HOUR_MS,
            timeoutMs: LONGEST_MS,
            signal: stopping.signal,
          }),
          logger,
        );
      } catch (error) {
        logger.warn({ err: error }, 'the garbage of the Nix store was not collected');
      }
    }
  })();
  return {
    stop: async () => {
      stopping.abort();
      await keeping;
    },
  };
}

function tell(collected: Collected, logger: Logger): void {
  const { outcome } = collected;
  if (outcome === 'collected') {
    const { droppedRoots, freed } = collected;
    logger.info({ droppedRoots, freed }, 'the garbage of the Nix store was collected');
  } else if (outcome === 'interrupted') {
    logger.info('collecting the garbage of the Nix store gave way; it goes on later');
  }
}
