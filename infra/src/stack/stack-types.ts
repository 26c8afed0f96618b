import type { StackEnvironment, StackSource, StackTarget } from './stack-configuration.ts';
import type { StackLayout } from './stack-layout.ts';
import type { StackPorts } from './stack-ports.ts';
import type { StackPrincipal } from './stack-secrets.ts';

/** What a stack is made of; everything but the folder has a default that gives the demo's stack. */
export type StackOptions = {
  readonly dataDir: string;
  readonly tenant?: string;
  /** First choices by name, see {@link StackPorts}; 0, or `any` for all, means any free port. */
  readonly ports?: StackPorts | 'any';
  readonly environments?: readonly StackEnvironment[];
  readonly targets?: readonly StackTarget[];
  /** Image layouts; absent: the samples are packed and named `samples`. */
  readonly sources?: readonly StackSource[];
  readonly principals?: readonly StackPrincipal[];
  /** Agents' `heartbeatSeconds`, `staleSeconds`, `offlineSeconds`. */
  readonly agents?: Readonly<Record<string, number>>;
  /**
   * Added to the environment of the part of that name (`api`, `worker`, `signer`,
   * `agent-<target>`).
   */
  readonly env?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Starts Temporal's web UI; true when absent. */
  readonly temporalUi?: boolean;
  /** Postgres settings, such as `{fsync: 'off'}` in tests. */
  readonly postgresSettings?: Readonly<Record<string, string>>;
  /** Executables; absent: from the tool lock. */
  readonly temporalExecutable?: string;
  readonly trivyExecutable?: string;
  /** Runs agents as another user; only root can. */
  readonly agentIdentity?: { readonly uid: number; readonly gid: number };
  /** Parts that are declared but not started. */
  readonly notStarted?: readonly string[];
  /** Ends the start between two parts; what was started is ended again. */
  readonly signal?: AbortSignal;
  /** Told about each step, for a person who waits. */
  readonly progress?: (line: string) => void;
};

/**
 * A running stack: real processes, each of which can be ended, killed, paused and started again by
 * its name.
 */
export type Stack = {
  readonly dataDir: string;
  readonly layout: StackLayout;
  readonly tenant: string;
  readonly apiUrl: string;
  readonly graphqlUrl: string;
  readonly explorerUrl: string;
  readonly temporalAddress: string;
  readonly temporalNamespace: string;
  /** The list of the namespace's workflows; absent without the web UI. */
  readonly temporalUiUrl: string | undefined;
  /** Connection strings by role (`postgres`, `sluice_app`, …); they hold passwords. */
  readonly databaseUrls: Readonly<Record<string, string>>;
  /** Bearer tokens by principal. */
  readonly tokens: Readonly<Record<string, string>>;
  readonly trustRootFile: string;
  readonly configFile: string;
  /** Names of the parts: `postgres`, `temporal`, `signer`, `api`, `worker`, `agent-<target>`. */
  readonly names: readonly string[];
  /** Port of a target's service. */
  getServicePort(target: string): number;
  getLogFile(name: string): string;
  isRunning(name: string): boolean;
  getPid(name: string): number;
  start(name: string): Promise<void>;
  stopPart(name: string): Promise<void>;
  kill(name: string, signal?: NodeJS.Signals): Promise<void>;
  /** SIGSTOP: it lives and answers nothing. */
  pause(name: string): Promise<void>;
  /** SIGCONT. */
  resume(name: string): Promise<void>;
  /** Stops everything in reverse order; the data stay. */
  stop(): Promise<void>;
};
