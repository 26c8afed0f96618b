import type { StackEnvironment, StackSource, StackTarget } from './stack-configuration.ts';
import type { StackLayout } from './stack-layout.ts';
import type { StackPorts } from './stack-ports.ts';
import type { StackRouter } from './stack-routers.ts';
import type { StackPrincipal } from './stack-secrets.ts';

/** What a stack is made of; everything but the folder has a default that gives the demo's stack. */
export type StackOptions = {
  readonly dataDir: string;
  readonly tenant?: string;
  /** First choices by name, see {@link StackPorts}; 0, or `any` for all, means any free port. */
  readonly ports?: StackPorts | 'any';
  readonly environments?: readonly StackEnvironment[];
  readonly targets?: readonly StackTarget[];
  /** Proxies before the services, each with an agent. */
  readonly routers?: readonly StackRouter[];
  /** Image layouts; absent: the samples are packed and named `samples`. */
  readonly sources?: readonly StackSource[];
  readonly principals?: readonly StackPrincipal[];
  /** Absolute paths of pipelines; what is absent is none. */
  readonly pipelines?: readonly string[];
  /**
   * A configuration of somebody's own instead of a written one: environments, targets, sources and
   * principals are its. No agent is planned, no token generated.
   */
  readonly configFile?: string;
  /** How many API processes: `api`, `api-2`, … on ports of their own; 1 when absent. */
  readonly apis?: number;
  /** How often the watchdog looks. Seconds; the product's default when absent. */
  readonly watchdogSeconds?: number;
  /** From a rollback's preemption to the end of the old holder's workflow. Seconds. */
  readonly supersedeGraceSeconds?: number;
  /** Verified releases whose artifacts stay on each target. */
  readonly keepReleases?: number;
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
  /** Starts a Prometheus that measures the stack's HAProxies, and tells the worker of it; none when absent. */
  readonly prometheusExecutable?: string;
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
  /** Of the first API. */
  readonly apiUrl: string;
  /** Of every API, in order. */
  readonly apiUrls: readonly string[];
  readonly graphqlUrl: string;
  /** Of every API, in order. */
  readonly graphqlUrls: readonly string[];
  readonly explorerUrl: string;
  readonly temporalAddress: string;
  readonly temporalNamespace: string;
  /** The list of the namespace's workflows; absent without the web UI. */
  readonly temporalUiUrl: string | undefined;
  /** Connection strings by role (`postgres`, `sluice_app`, …); they hold passwords. */
  readonly databaseUrls: Readonly<Record<string, string>>;
  /** Bearer tokens by principal; further ones as `<principal>#2`, … */
  readonly tokens: Readonly<Record<string, string>>;
  readonly trustRootFile: string;
  readonly configFile: string;
  /** Names of the parts: `postgres`, `temporal`, `signer`, `api`, `api-2`, `worker`, `agent-<target>`; of a router `proxy-<router>`, `agent-<router>`. */
  readonly names: readonly string[];
  /** Port of a target's service. */
  getServicePort(target: string): number;
  /** Port on which a router's proxy takes requests. */
  getRouterPort(router: string): number;
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
