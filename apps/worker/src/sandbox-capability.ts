import { createHostSandbox, type ScriptSandbox } from '@sluice/activities';
import { TASK_QUEUES } from '@sluice/temporal-contract';
import { type Found, isServed } from './found-capability.ts';
import type { StepSettings } from './worker-settings-steps.ts';

const NO_OTHER_USER =
  "SLUICE_SCRIPT_USER wants scripts to run as another user than the worker's, and only root may start programs of another user: run this worker as root, or take SLUICE_SCRIPT_USER away.";

/**
 * Looks for the sandbox of scripts, by trying it.
 * @param onTrouble told when a script could not be run for want of it
 */
export async function findScriptSandbox(
  settings: StepSettings,
  onTrouble: () => void,
): Promise<Found<ScriptSandbox>> {
  const { bubblewrap, sandboxPaths, scriptUser, scriptNetwork, shown } = settings;
  if (!isServed(settings, TASK_QUEUES.script)) return { part: undefined };
  if (shown.length > 0) return { part: undefined, missing: shown.join(' ') };
  if (scriptUser !== null && process.getuid?.() !== 0) {
    return { part: undefined, missing: NO_OTHER_USER };
  }
  const part = createHostSandbox(
    {
      ...(bubblewrap === null ? {} : { bubblewrap }),
      ...(sandboxPaths.length === 0 ? {} : { readOnlyPaths: sandboxPaths }),
      ...(scriptUser === null || scriptUser === 'other' ? {} : { user: scriptUser }),
    },
    scriptNetwork,
    onTrouble,
  );
  const check = () => findGap(part);
  const missing = await check();
  return missing === undefined ? { part, check } : { part: undefined, missing };
}

async function findGap(sandbox: ScriptSandbox): Promise<string | undefined> {
  const probe = await sandbox.probe();
  if (probe.usable) return undefined;
  const gaps = probe.missing.filter(({ stops }) => stops);
  return gaps.map(({ message, how }) => `${message} ${how}`).join(' ');
}
