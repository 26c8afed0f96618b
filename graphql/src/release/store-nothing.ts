import { NOTHING_RELEASE } from '@sluice/domain';
import { insertRelease, type Tx } from '@sluice/persistence';

/** Stores the release without components, where it is not there yet; gives its digest. */
export async function storeNothing(tx: Tx): Promise<string> {
  const stored = await insertRelease(tx, { release: NOTHING_RELEASE, createdBy: 'sluice' });
  if (stored.ok) return stored.value.releaseDigest;
  throw new Error(`The release without components can't be stored: ${stored.refusal.message}`);
}
