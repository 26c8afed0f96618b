import {
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

/** A probe that found everything is asked again after this time; one that did not, at once. Milliseconds. */
const PROBE_HOLDS_MS = 60_000;

/**
 * The sandbox of this machine; whether it is usable shows when it is probed.
 * @param network granted to scripts that ask for it; none when absent
 */
export function createHostSandbox(
  host: SandboxHost = {},
  network: ScriptNetwork = 'none',
): ScriptSandbox {
  let known: { readonly probe: SandboxProbe; readonly at: number } | undefined;
  return {
    network,
    probe: async () => {
      const now = performance.now();
      if (known !== undefined && now - known.at < PROBE_HOLDS_MS) return known.probe;
      const probe = await probeSandbox(host);
      known = probe.usable ? { probe, at: now } : undefined;
      return probe;
    },
    run: (run) => runSandboxed(run, host),
  };
}
