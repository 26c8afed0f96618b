import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Stack } from '@sluice/infra';

/** What lies active on a target: the sticker's release version, and the digest of the file that is run. */
export interface ActiveFiles {
  readonly version: string;
  readonly server: string;
}

/**
 * Reads a target's `current` as anybody on the host would see it; undefined when nothing is active.
 *
 * @throws when what is active lacks its sticker or its program: half a version.
 */
export async function findActiveFiles(
  stack: Pick<Stack, 'layout'>,
  target: string,
): Promise<ActiveFiles | undefined> {
  const current = join(stack.layout.agentsDir, target, 'current');
  const text = await readFile(join(current, 'sluice.version.json'), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const sticker = JSON.parse(text) as { release: { version?: string } };
  const server = await readFile(join(current, 'image', 'server.mjs'));
  return {
    version: sticker.release.version ?? '',
    server: createHash('sha256').update(server).digest('hex'),
  };
}
