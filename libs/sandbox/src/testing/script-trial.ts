import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runSandboxed } from '../run-sandboxed.ts';
import type { SandboxHost } from '../sandbox-host.ts';
import type { SandboxLimits, SandboxResult, SandboxRun } from '../sandbox-run.ts';

/** Limits that are enough for small scripts, and small enough for ones that want everything. */
export const TRIAL_LIMITS: SandboxLimits = {
  wallSeconds: 30,
  memoryBytes: 96 << 20,
  diskBytes: 8 << 20,
  processes: 24,
  logBytes: 65_536,
};

/** What a trial may say; the rest is a shell script without network. */
export type TrialOptions = Partial<Omit<SandboxRun, 'limits' | 'onLog'>> & {
  readonly limits?: Partial<SandboxLimits>;
  readonly onText?: (text: string) => void;
  readonly host?: SandboxHost;
};

/** How a trial went, and its log as bytes. */
export type Trial = SandboxResult & { readonly stdout: Buffer; readonly stderr: Buffer };

/** Runs a shell script in a sandbox, for specs. */
export async function tryScript(script: string, options: TrialOptions = {}): Promise<Trial> {
  const workFolder = options.workFolder ?? (await mkdtemp(join(tmpdir(), 'sluice-trial-')));
  const logs = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  const { host, limits, onText, ...rest } = options;
  try {
    const result = await runSandboxed(
      {
        argv: ['/bin/sh', 'script.sh'],
        network: 'none',
        ...rest,
        files: new Map([['script.sh', { content: script }], ...(rest.files ?? [])]),
        workFolder,
        limits: { ...TRIAL_LIMITS, ...limits },
        onLog: (chunk, stream) => {
          logs[stream].push(Buffer.from(chunk));
          onText?.(Buffer.from(chunk).toString('utf8'));
        },
      },
      host,
    );
    return { ...result, stdout: Buffer.concat(logs.stdout), stderr: Buffer.concat(logs.stderr) };
  } finally {
    if (options.workFolder === undefined) await rm(workFolder, { recursive: true, force: true });
  }
}
