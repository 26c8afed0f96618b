import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 25;

/** Tells whether a process with this id exists (also one of another user). */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Ends a process that leads its own group, with its children: the signal first, SIGKILL after the
 * grace time. A process that is gone already counts as ended.
 *
 * @param pid - id of the group's leader, started with `detached: true`.
 * @param graceMs - milliseconds between the signal and SIGKILL.
 * @param signal - what asks it to stop. With `leaderOnly` the signal goes to the leader alone,
 *   for programs that end their children themselves and take the signal twice for haste.
 */
export async function endProcessGroup(
  pid: number,
  graceMs: number,
  signal: NodeJS.Signals = 'SIGTERM',
  leaderOnly = false,
): Promise<void> {
  send(leaderOnly ? pid : -pid, signal);
  const deadline = Date.now() + graceMs;
  while (isAlive(pid) && Date.now() < deadline) {
    await sleep(POLL_MS);
  }
  send(-pid, 'SIGKILL');
  const killDeadline = Date.now() + 5_000;
  while (isAlive(pid) && Date.now() < killDeadline) {
    await sleep(POLL_MS);
  }
}

function send(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') {
      throw error;
    }
  }
}
