import { access, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Where a test may kill the agent: right after the journal's line of a stage, or inside the driver. */
export type FaultPoint = (name: string, sequence?: number) => Promise<void>;

/**
 * For fault tests: at the named point the agent writes the marker `fault-points/<name>` in its state
 * folder and then does nothing more, so that it can be killed just there. It stops once: where the marker is
 * there already, it goes on. Without a name it never stops.
 * @param pauseAt a name, or `<name>@<sequence>` for the stage of one command
 */
export function createFaultPoint(stateDir: string, pauseAt: string | undefined): FaultPoint {
  return async (name, sequence) => {
    if (pauseAt === undefined || ![name, `${name}@${sequence}`].includes(pauseAt)) return;
    const marker = join(stateDir, 'fault-points', pauseAt);
    if (await exists(marker)) return;
    await mkdir(join(stateDir, 'fault-points'), { recursive: true });
    await writeFile(marker, `${process.pid}\n`);
    await new Promise((resolve) => {
      // A timer keeps the process alive where nothing else would.
      setTimeout(resolve, 2 ** 31 - 1);
    });
  };
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
