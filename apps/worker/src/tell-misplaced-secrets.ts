import { join } from 'node:path';
import { describePlaces, listMisplacedSecrets } from '@sluice/activities';
import type { Logger } from '@sluice/observability';

const MOST_NAMES = 20;

/**
 * Warns of secrets that no step finds. Workers of before environments had secrets of their own may still run beside this one, so they keep no
 * worker from starting; nor does a folder that this worker may open secrets in, and not list.
 */
export async function tellMisplacedSecrets(secretsDir: string, logger: Logger): Promise<void> {
  let misplaced: Awaited<ReturnType<typeof listMisplacedSecrets>>;
  try {
    misplaced = await listMisplacedSecrets(secretsDir);
  } catch (error) {
    logger.warn(
      { err: error },
      `it could not be looked whether secrets lie directly in a tenant's folder of ${secretsDir}, where no step reads them: let this worker list the folder, or look yourself`,
    );
    return;
  }
  for (const [tenant, names] of misplaced) {
    const more = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : '';
    logger.warn(
      { tenant, secrets: names.slice(0, MOST_NAMES) },
      `no step reads the secrets ${names.slice(0, MOST_NAMES).join(', ')}${more}: move them to ${describePlaces(join(secretsDir, tenant))}`,
    );
  }
}
