import { findLastVerified, findRelease, hasSucceeded, type Tx } from '@sluice/persistence';
import { notFound, stateConflict } from '../common/refusal.ts';
import { storeNothing } from '../release/store-nothing.ts';
import type { ROLLBACK_TO } from './rollback-environment.input.ts';

/**
 * The digest of the release that a rollback puts there.
 * @throws RefusalException `no-verified-release`, `release-unknown`, `release-not-verified-here`
 */
export async function chooseRelease(
  tx: Tx,
  environment: string,
  { to, release }: { readonly to: (typeof ROLLBACK_TO)[number]; readonly release: string | null },
): Promise<string> {
  if (to === 'NOTHING') return storeNothing(tx);
  if (release !== null) return chooseNamed(tx, environment, release);
  return chooseLastVerified(tx, environment);
}

async function chooseNamed(tx: Tx, environment: string, digest: string): Promise<string> {
  if ((await findRelease(tx, digest)) === undefined) {
    throw notFound('release-unknown', `There is no release ${digest}; list releases.`);
  }
  if (await hasSucceeded(tx, { environment, releaseDigest: digest })) return digest;
  throw stateConflict(
    'release-not-verified-here',
    `Release ${digest} was never verified in ${environment}, that is: no promotion of it succeeded with every target confirmed; roll back to one that was, or promote it.`,
  );
}

async function chooseLastVerified(tx: Tx, environment: string): Promise<string> {
  const chosen = await findLastVerified(tx, environment);
  if (chosen !== undefined) return chosen;
  throw stateConflict(
    'no-verified-release',
    `No earlier release was verified in ${environment}; name one, or roll back to NOTHING to empty it.`,
  );
}
