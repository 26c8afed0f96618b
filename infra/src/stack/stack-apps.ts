import { randomBytes } from 'node:crypto';
import { access, chmod, chown, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mintEnrolmentToken } from '@sluice/pure';
import type { AppLaunch, AppProcess } from './app-process.ts';
import { startApp } from './app-process.ts';
import type { StackTarget } from './stack-configuration.ts';
import { servicePort } from './stack-configuration.ts';
import { StackError } from './stack-error.ts';
import type { StackLayout } from './stack-layout.ts';
import { getAppScript, logFileOf } from './stack-layout.ts';
import type { StackPorts } from './stack-ports.ts';
import type { StackSecrets } from './stack-secrets.ts';
import type { StackOptions } from './stack-types.ts';

const TOKEN_LIFE_MS = 10 * 60_000;

/** Everything that the apps of one stack are configured with. */
export type AppPlan = {
  readonly layout: StackLayout;
  readonly ports: StackPorts;
  readonly secrets: StackSecrets;
  readonly databaseUrls: Readonly<Record<string, string>>;
  readonly tenant: string;
  readonly temporalAddress: string;
  readonly temporalNamespace: string;
  /** Path of the scanner. */
  readonly trivy: string;
  /** The API's configuration. */
  readonly configFile: string;
  /** Absent: the one that the configuration names. */
  readonly enrolmentKey: string | undefined;
  readonly options: Pick<
    StackOptions,
    'apis' | 'watchdogSeconds' | 'supersedeGraceSeconds' | 'keepReleases'
  >;
  readonly env: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly agentIdentity: StackOptions['agentIdentity'];
};

/** An app that can be started again and again with the same configuration. */
export type PlannedApp = AppLaunch & {
  /** Runs before each start; what it returns is added to the environment. */
  readonly prepare?: () => Promise<Readonly<Record<string, string>>>;
};

/**
 * The control plane's own processes, in the order in which they start: the signer makes the trust
 * root that the API reads.
 */
export function listAppNames(apis = 1): string[] {
  return ['signer', ...listApiNames(apis), 'worker'];
}

/** `api`, `api-2`, … */
export function listApiNames(apis = 1): string[] {
  return Array.from({ length: apis }, (_, place) => (place === 0 ? 'api' : `api-${place + 1}`));
}

/** How one of the {@link listAppNames} is run. */
export function planApp(plan: AppPlan, part: string): PlannedApp {
  const { layout, ports, databaseUrls } = plan;
  const shared = {
    ...inheritedEnvironment(),
    SLUICE_TEMPORAL_ADDRESS: plan.temporalAddress,
    SLUICE_TEMPORAL_NAMESPACE: plan.temporalNamespace,
    SLUICE_EVIDENCE_DIR: layout.evidenceDir,
    SLUICE_TRUST_ROOT: layout.trustRoot,
    SLUICE_SIGNER_SOCKET: layout.signerSocket,
  };
  const app = (script: string, env: Record<string, string>, kind = part): PlannedApp => ({
    name: part,
    script,
    logFile: logFileOf(layout, part),
    env: { ...shared, ...env, ...plan.env[kind], ...plan.env[part] },
  });
  switch (part) {
    case 'signer':
      return app(getAppScript('worker', 'signer.js'), {
        SLUICE_DATABASE_URL: databaseUrls['sluice_signer'] ?? '',
        SLUICE_SIGNER_KEYS: layout.signerKeysDir,
      });
    case 'worker':
      return app(getAppScript('worker'), {
        SLUICE_DATABASE_URL: databaseUrls['sluice_worker'] ?? '',
        SLUICE_RELAY_DATABASE_URL: databaseUrls['sluice_relay'] ?? '',
        SLUICE_LINKER_DATABASE_URL: databaseUrls['sluice_linker'] ?? '',
        SLUICE_WATCHDOG_DATABASE_URL: databaseUrls['sluice_watchdog'] ?? '',
        SLUICE_CODEC_KEYS: layout.codecKeys,
        SLUICE_TRIVY: plan.trivy,
        SLUICE_TRIVY_CACHE: layout.trivyCache,
        ...told('SLUICE_WATCHDOG_SECONDS', plan.options.watchdogSeconds),
        ...told('SLUICE_SUPERSEDE_GRACE_SECONDS', plan.options.supersedeGraceSeconds),
      });
    default:
      return app(
        getAppScript('api'),
        {
          SLUICE_DATABASE_URL: databaseUrls['sluice_app'] ?? '',
          SLUICE_CODEC_KEYS: layout.codecKeys,
          SLUICE_CONFIG: plan.configFile,
          ...told('SLUICE_ENROLLMENT_KEY', plan.enrolmentKey),
          SLUICE_API_HOST: '127.0.0.1',
          SLUICE_API_PORT: String(ports[part]),
        },
        'api',
      );
  }
}

/** Whom an agent is for: a target, or a router. */
export type AgentPlace = Pick<StackTarget, 'name' | 'api'> & {
  /** Added to the agent's environment. */
  readonly agentEnv?: Readonly<Record<string, string>>;
};

/** What the agent of a target is told of its service. */
export function toAgentPlace({ name, api, probe }: StackTarget, ports: StackPorts): AgentPlace {
  return {
    name,
    ...(api === undefined ? {} : { api }),
    ...(probe === undefined
      ? {}
      : {
          agentEnv: {
            SLUICE_AGENT_PROBE_PORT: String(ports[servicePort(name)]),
            SLUICE_AGENT_PROBE_PATH: probe.path,
            SLUICE_AGENT_PROBE_EVERY_MS: String(probe.everyMs),
          },
        }),
  };
}

/**
 * One agent per place; each has a folder of its own and gets a one-time token before its first
 * start.
 */
export function planAgents(plan: AppPlan, places: readonly AgentPlace[]): PlannedApp[] {
  return places.map((target) => {
    const folder = join(plan.layout.agentsDir, target.name);
    const name = `agent-${target.name}`;
    return {
      name,
      script: getAppScript('agent'),
      logFile: logFileOf(plan.layout, name),
      env: {
        ...inheritedEnvironment(),
        SLUICE_AGENT_CONTROL_PLANE: `http://127.0.0.1:${plan.ports[target.api ?? 'api']}`,
        SLUICE_AGENT_STATE_DIR: folder,
        SLUICE_AGENT_STOP_SERVICE: '1',
        ...told('SLUICE_AGENT_KEEP_RELEASES', plan.options.keepReleases),
        ...target.agentEnv,
        ...plan.env[name],
      },
      prepare: () => prepareAgent(plan, target, folder),
      ...(plan.agentIdentity === undefined ? {} : { identity: plan.agentIdentity }),
    };
  });
}

/** Starts a planned app. */
export async function startPlanned(
  app: PlannedApp,
  onSpawn: (pid: number) => void,
): Promise<AppProcess> {
  await assertBuilt(app);
  const prepared = (await app.prepare?.()) ?? {};
  return startApp({ ...app, env: { ...app.env, ...prepared } }, onSpawn);
}

async function prepareAgent(
  plan: AppPlan,
  target: AgentPlace,
  folder: string,
): Promise<Record<string, string>> {
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o700);
  if (plan.agentIdentity !== undefined) {
    await chown(folder, plan.agentIdentity.uid, plan.agentIdentity.gid);
  }
  return (await exists(join(folder, 'enrolment.json')))
    ? {}
    : { SLUICE_AGENT_TOKEN: await mintToken(plan, target) };
}

/** What `sluice agent enroll-token` does where the API's configuration is readable. */
async function mintToken(plan: AppPlan, target: AgentPlace): Promise<string> {
  const key = Buffer.from((await readFile(plan.layout.enrolmentKey, 'utf8')).trim(), 'base64');
  const claim = {
    tenantId: plan.tenant,
    target: target.name,
    id: randomBytes(16).toString('base64url'),
    expiresAt: new Date(Date.now() + TOKEN_LIFE_MS).toISOString(),
  };
  return mintEnrolmentToken(claim, new Uint8Array(key));
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

async function assertBuilt(app: PlannedApp): Promise<void> {
  if (!(await exists(app.script))) {
    throw new StackError(
      'stack-not-built',
      `${app.script} is missing, so the ${app.name} cannot start; run "npm run build".`,
    );
  }
}

function told(name: string, value: string | number | undefined): Record<string, string> {
  return value === undefined ? {} : { [name]: String(value) };
}

/** What a child may know of our environment: nothing else that configures Sluice comes from outside. */
function inheritedEnvironment(): Record<string, string> {
  const names = [
    ...['PATH', 'HOME', 'TMPDIR', 'LANG', 'TZ', 'NODE_EXTRA_CA_CERTS'],
    ...['SLUICE_LOG_LEVEL', 'OTEL_EXPORTER_OTLP_ENDPOINT'],
  ];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
