/** What a script may use. Every limit is kept, or the run is refused. */
export interface SandboxLimits {
  /** From the start of the script until it is ended; at most 86,400. */
  readonly wallSeconds: number;
  /**
   * Memory of all its processes together, and of all files that it writes: they lie in memory, and are lost with it. Under
   * `prlimit` each process may take as much address space, and the sum is watched.
   */
  readonly memoryBytes: number;
  /** Files in its folder and in `/tmp` together; what is beyond it fails with "no space left". */
  readonly diskBytes: number;
  /** One file; as much as `diskBytes` when absent. */
  readonly fileBytes?: number;
  /** Processes and threads at a time, the script's own among them. */
  readonly processes: number;
  /** Processor time of all its processes together; under `prlimit` of each process. No limit when absent. */
  readonly cpuSeconds?: number;
  /** Processors that it may use at a time, such as 0.5; only cgroups can keep this. No limit when absent. */
  readonly cpus?: number;
  /** Log that is handed out, both streams together, as it is shown; at least 1024. Of more, beginning and end are kept. */
  readonly logBytes: number;
}

/** A file that lies in the script's folder when it starts. */
export type SandboxFile = {
  /** Mode 755 in place of 644. */
  readonly executable?: boolean;
} & (
  | { readonly content: Uint8Array | string }
  /** An absolute path on this machine; copied, a link is followed. */
  | { readonly path: string }
);

/** A secret; masked wherever the log shows it. */
export interface SandboxSecret {
  /** At most 64 KiB. */
  readonly value: Uint8Array | string;
  /** Also as an environment variable of that name, for programs that read none from files. */
  readonly asVariable?: boolean;
}

/** Where a piece of log came from. */
export type LogStream = 'stdout' | 'stderr';

/** How a stream's bytes are shown. */
export interface ShownLog {
  /** What can be shown now. */
  push(bytes: Uint8Array): Uint8Array;
  /** What was held back; the stream has ended. */
  end(): Uint8Array;
}

/** A run of a script. */
export interface SandboxRun {
  /** The program, looked up in the sandbox's PATH, and its arguments; without a shell. Seen by every user of the machine. */
  readonly argv: readonly string[];
  /** Path in its folder → file; at most 256. */
  readonly files?: ReadonlyMap<string, SandboxFile>;
  /**
   * All of its environment but `PATH`, `HOME`, `PWD`, `SLUICE_OUTPUTS` (file for its outputs) and, with secrets,
   * `SLUICE_SECRETS` (folder of their files); the first two may be set here.
   */
  readonly environment?: Readonly<Record<string, string>>;
  /** Name → secret; a file of that name in `$SLUICE_SECRETS`. Names are those of variables; at most 64. */
  readonly secrets?: ReadonlyMap<string, SandboxSecret>;
  /** `none`: a loopback of its own. `host`: all that this machine reaches, its own local services included. */
  readonly network: 'none' | 'host';
  readonly limits: SandboxLimits;
  /** Name → path in its folder, of the files that are kept when it exits with 0; at most 64. */
  readonly artifacts?: ReadonlyMap<string, string>;
  /** Folder on this machine that must be there: artifacts are written to `<workFolder>/<name>`. Not seen by the script. */
  readonly workFolder: string;
  /** Ends the script, which comes out as `cancelled`. */
  readonly signal?: AbortSignal;
  /** Between SIGTERM and SIGKILL; 5,000 when absent, at most 60,000. */
  readonly graceMilliseconds?: number;
  /**
   * Makes what shows one stream: called for each. What is shown is what `logBytes` bounds and `onLog` is given; the bytes as they were written, with
   * secrets masked, when absent.
   */
  readonly showLog?: () => ShownLog;
  /**
   * Called with each piece of log as it comes. A promise that it gives is
   * waited for, and the script with it. An error that it throws ends the script and comes out of the run.
   */
  readonly onLog: (chunk: Uint8Array, stream: LogStream, at: Date) => void | Promise<void>;
}

/** How a script ended. */
export type SandboxOutcome =
  /** By itself, with an exit code. */
  | 'exited'
  /** By a signal that was not ours. A shell that reports its child's signal (128 + n) counts too. */
  | 'killed'
  /** Wall-clock or processor time ran out. */
  | 'timed-out'
  /** It asked for more memory; it was ended then, whatever it made of the refusal. */
  | 'memory-exceeded'
  /** It asked for one process too many; it was ended then. */
  | 'processes-exceeded'
  /** Its `signal` was aborted. */
  | 'cancelled';

/** What the script gave in `$SLUICE_OUTPUTS`. Looked at only when it exited with 0. */
export type SandboxOutputs =
  | { readonly state: 'none' }
  | { readonly state: 'given'; readonly values: Readonly<Record<string, unknown>> }
  | { readonly state: 'refused'; readonly code: OutputProblemCode; readonly message: string };

/** A file that was asked for as an artifact. */
export type SandboxArtifact =
  | {
      readonly state: 'kept';
      /** `sha256:<hex>`. */
      readonly digest: string;
      readonly bytes: number;
      /** Where it was written on this machine. */
      readonly file: string;
    }
  | { readonly state: 'refused'; readonly code: OutputProblemCode; readonly message: string };

/** Why outputs or an artifact were not taken. */
export type OutputProblemCode =
  | 'output-missing'
  | 'output-not-a-file'
  | 'output-linked'
  | 'output-too-large'
  | 'output-unreadable'
  | 'output-not-json'
  | 'output-too-deep';

/** What a script used. Null: this machine's limit mechanism does not count it. */
export interface SandboxUsage {
  readonly wallMilliseconds: number;
  readonly cpuSeconds: number | null;
  readonly peakMemoryBytes: number | null;
}

/** How a run went. */
export interface SandboxResult {
  readonly outcome: SandboxOutcome;
  /** Null when it did not exit by itself. */
  readonly exitCode: number | null;
  /** `SIGSEGV`; null when no signal of the script's own making ended it. */
  readonly signal: string | null;
  /** Which time ran out, with `timed-out`. */
  readonly ranOut: 'wallSeconds' | 'cpuSeconds' | null;
  readonly usage: SandboxUsage;
  readonly logs: {
    /** Of the script, as they are shown. */
    readonly bytes: number;
    /** True when some were left out; the log says where and how many. */
    readonly truncated: boolean;
  };
  readonly outputs: SandboxOutputs;
  /** Name → artifact; empty unless it exited with 0. */
  readonly artifacts: ReadonlyMap<string, SandboxArtifact>;
  readonly mechanism: LimitMechanism;
}

/** What keeps the limits. */
export type LimitMechanism = 'cgroup-v2' | 'cgroup-v1' | 'prlimit';
