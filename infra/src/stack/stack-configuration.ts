import { writeFile } from 'node:fs/promises';
import type {
  ApprovalRule,
  Deadlines,
  HealthProbe,
  JsonValue,
  Role,
  SettingValue,
} from '@sluice/domain';
import { stringify } from 'yaml';
import type { StackLayout } from './stack-layout.ts';
import type { StackPorts } from './stack-ports.ts';
import type { StackRouter } from './stack-routers.ts';
import type { StackPrincipal, StackSecrets } from './stack-secrets.ts';
import { hashToken, tokenNamesOf } from './stack-secrets.ts';

/** The first line of every configuration that a stack wrote. */
export const CONFIGURATION_HEADER =
  '# Written anew at each start; the API applies it when it starts.\n';

/** An environment of a stack; deadlines in seconds, what is absent is the product's default. */
export type StackEnvironment = {
  readonly name: string;
  readonly position: number;
  readonly deadlines?: Partial<Deadlines>;
  /** Where a release must have been verified before; absent: in the one before it, `[]`: nowhere. */
  readonly after?: readonly string[];
  /** `standard` when absent; `approved`, or one of the stack's pipelines. */
  readonly pipeline?: string;
  /** For the parameters of its pipeline. */
  readonly parameters?: Readonly<Record<string, JsonValue>>;
  /** Who must approve; only where its pipeline asks somebody. */
  readonly approval?: Partial<ApprovalRule>;
  /** Who may roll back. */
  readonly rollback?: { readonly roles: readonly Role[] };
};

/** A Linux host of a stack: an agent of its own, the service on a port of 127.0.0.1. */
export type StackTarget = {
  readonly name: string;
  readonly environment: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Added to `PORT`, which is chosen. */
  readonly settings?: Readonly<Record<string, SettingValue>>;
  /** What differs from how the stack's targets are probed. */
  readonly health?: Partial<Omit<HealthProbe, 'port'>>;
  /** What its agent asks of the service itself, to measure it; it measures nothing when absent. */
  readonly probe?: { readonly path: string; readonly everyMs: number };
  /** Starts its agent with the stack; true when absent. */
  readonly agent?: boolean;
  /** The API that its agent talks to; `api` when absent. */
  readonly api?: string;
};

/** An image layout that the configuration names. */
export type StackSource = { readonly name: string; readonly path: string };

/** What `sluice.config.yaml` of a stack is made of. */
export type StackConfiguration = {
  readonly tenant: string;
  readonly sources: readonly StackSource[];
  readonly environments: readonly StackEnvironment[];
  readonly targets: readonly StackTarget[];
  readonly routers?: readonly StackRouter[];
  readonly principals: readonly StackPrincipal[];
  /** Paths of pipelines. */
  readonly pipelines?: readonly string[];
  readonly agents?: Readonly<Record<string, number>>;
};

/**
 * Writes the configuration that the API applies at start. It holds no secret: tokens stand in it
 * as hashes.
 */
export async function writeConfiguration(
  layout: StackLayout,
  configuration: StackConfiguration,
  ports: StackPorts,
  secrets: StackSecrets,
): Promise<void> {
  const { tenant, sources, environments, targets, principals, pipelines, agents } = configuration;
  const routers = configuration.routers ?? [];
  const document = {
    schema: 'sluice.config/v1',
    tenant,
    ...(pipelines === undefined ? {} : { pipelines }),
    sources: sources.map(({ name, path }) => ({ name, kind: 'oci-layout', path })),
    environments: environments.map((environment) => ({
      ...{ pipeline: 'standard', policy: 'release-gate' },
      ...environment,
    })),
    targets: targets.map((target) => toTarget(target, ports[servicePort(target.name)] ?? 0)),
    ...(routers.length === 0 ? {} : { routers: routers.map(toRouter) }),
    principals: principals.map((principal) => toPrincipal(principal, secrets)),
    enrolment: { keyFile: layout.enrolmentKey },
    ...(agents === undefined ? {} : { agents }),
  };
  await writeFile(layout.configFile, CONFIGURATION_HEADER + stringify(document));
}

/** The name under which a target's service port is kept. */
export function servicePort(target: string): string {
  return `service:${target}`;
}

function toPrincipal(principal: StackPrincipal, secrets: StackSecrets): Record<string, unknown> {
  const { tokens: _, ...told } = principal;
  const hashes = tokenNamesOf(principal).map((name) => hashToken(secrets.tokens[name] ?? ''));
  return hashes.length === 1 ? { ...told, tokenHash: hashes[0] } : { ...told, tokenHashes: hashes };
}

function toTarget(target: StackTarget, port: number): Record<string, unknown> {
  return {
    name: target.name,
    environment: target.environment,
    kind: 'linux-host',
    address: '127.0.0.1',
    labels: target.labels ?? {},
    settings: { PORT: String(port), ...target.settings },
    health: {
      path: '/healthz',
      port,
      intervalMs: 200,
      timeoutMs: 1_000,
      successes: 2,
      // 20 s: a busy laptop may take long to start a service. One that ends is noticed at once.
      failures: 100,
      ...target.health,
    },
  };
}

function toRouter({ name, environment, kind, backend }: StackRouter): Record<string, unknown> {
  return { name, environment, kind, backend };
}
