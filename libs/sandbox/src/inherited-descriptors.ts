import { readdirSync, readFileSync } from 'node:fs';
import { SandboxError } from './sandbox-error.ts';

/** O_CLOEXEC of Linux, as it stands in fdinfo on every architecture that Node runs on. */
const CLOSE_ON_EXEC = 0o2000000;
/** Each one costs an entry in the list that spawn takes. */
const HIGHEST = 4096;

/**
 * Descriptors above standard error that a child would inherit: Node marks its own, but not what its starter left open, such as a
 * listening socket or a lock. They must be covered, for bubblewrap hands on what it gets.
 */
export function listInheritedDescriptors(): number[] {
  const found: number[] = [];
  for (const name of readdirSync('/proc/self/fdinfo')) {
    const descriptor = Number(name);
    if (descriptor <= 2 || !isInherited(name)) continue;
    if (descriptor > HIGHEST) {
      throw new SandboxError(
        'sandbox-start-failed',
        `This process was started with the open descriptor ${descriptor}, which would reach the script. Start it without descriptors above 2.`,
      );
    }
    found.push(descriptor);
  }
  return found;
}

function isInherited(name: string): boolean {
  try {
    const flags = /^flags:\s+([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${name}`, 'latin1'));
    return flags !== null && (Number.parseInt(flags[1] ?? '0', 8) & CLOSE_ON_EXEC) === 0;
  } catch {
    // Closed in the meantime: the one that listed the folder, for one.
    return false;
  }
}
