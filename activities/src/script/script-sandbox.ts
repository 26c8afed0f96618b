import {
  isSandboxError,
  probeSandbox,
  runSandboxed,
  type SandboxHost,
  type SandboxProbe,
  type SandboxResult,
  type SandboxRun,
} from '@sluice/sandbox';

/** `none`: no script has a network. `all`: one that asks for it has the machine's, its local services included. */
export type ScriptNetwork = 'none' | 'all';

/** Where scripts run. */
export interface ScriptSandbox {
  /** What a script that asks for it gets of the machine's network. */
  readonly network: ScriptNetwork;
  /** What this machine can keep scripts from. */
  probe(): Promise<SandboxProbe>;
  /**
   * Runs one script, and waits until nothing of it is left.
   * @throws SandboxError
   */
  run(run: SandboxRun): Promise<SandboxResult>;
}

/** Codes after which what a probe found need not hold any more. */
const TROUBLE: ReadonlySet<string> = new Set([
  'sandbox-isolation-missing',
  'sandbox-limit-missing',
  'sandbox-start-failed',
]);

/**
 * A probe that found everything is asked again after this time; one that did not, at once. Short, for a script that begins where the sandbox is
 * gone has used its attempt. Milliseconds.
 */
const PROBE_HOLDS_MS = 5000;

/**
 * The sandbox of this machine; whether it is usable shows when it is probed.
 * @param network granted to scripts that ask for it; none when absent
 * @param onTrouble told when a script could not be run for want of the sandbox: the machine has to be looked at again
 */
export function createHostSandbox(
  host: SandboxHost = {},
  network: ScriptNetwork = 'none',
  onTrouble: () => void = () => undefined,
): ScriptSandbox {
  let known: { readonly probe: SandboxProbe; readonly at: number } | undefined;
  return {
    network,
    probe: async () => {
      const now = performance.now();
      if (known !== undefined && now - known.at < PROBE_HOLDS_MS) return known.probe;
      const probe = await probeSandbox(host);
      known = probe.usable ? { probe, at: now } : undefined;
      if (!probe.usable) onTrouble();
      return probe;
    },
    run: async (run) => {
      try {
        return await runSandboxed(run, host);
      } catch (error) {
        if (isSandboxError(error) && TROUBLE.has(error.code)) {
          known = undefined;
          onTrouble();
        }
        throw error;
      }
    },
  };
}
