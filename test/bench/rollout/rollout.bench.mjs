/**
 * What a rollout costs and saves. `detection`: a real HAProxy before four hosts under steady load, a bad version at several settings: how many
 * requests saw it, and the seconds from the verdict until no request goes there and until every target is as it was. `waves`: a rolling rollout
 * over 1,000 targets, whose agents are simulated by the real, signing protocol client in one process, against bare Temporal doing as many activities.
 */
import { measureDetection } from './detection.mjs';
import { measureWaves } from './waves.mjs';

/** What `--help` says. */
export function help() {
  return [
    'parts: detection (settings share-5, share-10, share-25), waves (1,000 targets, 3 rounds)',
    'with --quick: share-10 alone, and 200 targets in one round',
    '--only=detection or --only=waves: one part; --targets=N, --rounds=N: of waves',
  ];
}

/** @param {{quick: boolean, say: (line: string) => void, option: (name: string) => string | undefined}} options */
export async function run(options) {
  const only = options.option('only');
  return [
    ...(only === 'waves' ? [] : await measureDetection(options)),
    ...(only === 'detection' ? [] : await measureWaves(options)),
  ];
}
