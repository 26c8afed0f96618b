import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { endProcessGroup } from '@sluice/temporal-server';
import { findStartTime } from './process-identity.ts';

const GRACE_MS = 5_000;

/**
 * Ends services that outlived their agents: an agent that was killed leaves its service running,
 * which is right on a real host and wrong in a stack that is to leave nothing behind. They are
 * found by the record that each agent keeps of its service (process id, start time and boot), never
 * by name.
 *
 * @param agentsDir - the folder with one state folder per agent. No agent must run.
 * @returns the names of the targets whose service was ended.
 */
export async function endOrphanedServices(agentsDir: string): Promise<string[]> {
  const targets = await readdir(agentsDir).catch(() => []);
  const ended: string[] = [];
  for (const target of targets) {
    const service = await findService(join(agentsDir, target, 'service.json'));
    if (service !== undefined && findStartTime(service.pid) === service.identity) {
      await endProcessGroup(service.pid, GRACE_MS);
      ended.push(target);
    }
  }
  return ended;
}

async function findService(file: string): Promise<{ pid: number; identity: string } | undefined> {
  try {
    const record = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
    const { pid, bootId, startTime } = record;
    return typeof pid === 'number' ? { pid, identity: `${bootId}/${startTime}` } : undefined;
  } catch {
    return undefined;
  }
}
