import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findProcess, isRunning, writeWhole } from '@sluice/target-drivers';

/**
 * Makes the state folder this process's own.
 * @throws Error when a running agent has it
 */
export async function lockStateFolder(stateDir: string): Promise<void> {
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const path = join(stateDir, 'agent.pid');
  const [pid, startTime] = (await readFile(path, 'utf8').catch(() => '')).split(' ').map(Number);
  const other = pid === undefined || pid === process.pid ? undefined : await findProcess(pid);
  if (other !== undefined && isRunning(other) && other.startTime === startTime) {
    throw new Error(
      `The agent with process id ${pid} works in ${stateDir} already: stop it, or name another SLUICE_AGENT_STATE_DIR.`,
    );
  }
  const self = await findProcess(process.pid);
  await writeWhole(path, `${process.pid} ${self?.startTime ?? 0}\n`);
}
