import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { builtInPolicyDir } from '@sluice/decision';
import { readTracesUrl } from '@sluice/observability';
import { type Environment, SettingsReader } from './settings.ts';
import { readStepSettings, type StepSettings } from './worker-settings-steps.ts';

/** What the worker process needs to know. */
export interface WorkerSettings extends StepSettings {
  /** Of the role sluice_worker. */
  readonly databaseUrl: string;
  /** Of the role sluice_relay. */
  readonly relayDatabaseUrl: string;
  /** Of the role sluice_linker. */
  readonly linkerDatabaseUrl: string;
  /** Of the role sluice_watchdog. */
  readonly watchdogDatabaseUrl: string;
  /** Seconds between looks for promotions that nobody works on. */
  readonly watchdogSeconds: number;
  /** Seconds between comparisons of workflows, records, agents and archive. */
  readonly reconcileSeconds: number;
  /** Seconds between looks for histories whose time is over by rule. */
  readonly retentionSeconds: number;
  /** Seconds that a promotion which a rollback superseded has to end by itself. */
  readonly supersedeGraceSeconds: number;
  readonly temporalAddress: string;
  readonly temporalNamespace: string;
  readonly evidenceDir: string;
  readonly codecKeysFile: string;
  readonly signerSocket: string;
  readonly trivy: string;
  readonly trivyCache: string;
  /** Folder of the policy bundle that gates evaluate. */
  readonly policyDir: string;
  /** On 127.0.0.1; 0 takes any free port, null serves nothing. */
  readonly port: number | null;
  /** Seconds that one scan of one image may take; the step's deadline may be shorter. */
  readonly scanSeconds: number;
  /** The worker deployment that this worker is a version of; null runs every promotion whatever build began it. */
  readonly workerDeployment: string | null;
  /** A workflow bundle to run in place of the built one, such as a kept one of an older build; null for the built one. */
  readonly workflowBundle: string | null;
}

/** The engine's limit for names is longer; it joins them to build ids with dots and colons, so these are no part of one. */
const DEPLOYMENT_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/;

/**
 * Reads the environment. The databases of relay, linker and watchdog are the worker's with the role's name in its
 * place, unless SLUICE_RELAY_DATABASE_URL, SLUICE_LINKER_DATABASE_URL and SLUICE_WATCHDOG_DATABASE_URL name them.
 * @throws SettingsError with one line per problem
 */
export function readWorkerSettings(environment: Environment): WorkerSettings {
  const reader = new SettingsReader(environment);
  const databaseUrl = reader.required(
    'SLUICE_DATABASE_URL',
    'the database, with the role sluice_worker',
  );
  const ofRole = (variable: string, role: string): string => {
    const named = reader.optional(variable, undefined);
    if (named === undefined) return withRole(databaseUrl, role, reader);
    if (!URL.canParse(named)) {
      reader.refuse(`${variable} is no URL: write postgres://${role}:password@host:port/name.`);
    }
    return named;
  };
  const own = [
    'SLUICE_EVIDENCE_DIR',
    'SLUICE_CODEC_KEYS',
    'SLUICE_SIGNER_SOCKET',
    'SLUICE_SIGNER_KEYS',
    'SLUICE_ENROLLMENT_KEY',
    'SLUICE_CONFIG',
    'SLUICE_AGENT_STATE_DIR',
    'SLUICE_AGENT_SECRETS_DIR',
  ];
  const ownPaths = own.flatMap((variable) => {
    const path = reader.optional(variable, undefined);
    return path === undefined ? [] : [{ variable, path: resolve(path) }];
  });
  const settings: WorkerSettings = {
    databaseUrl,
    relayDatabaseUrl: ofRole('SLUICE_RELAY_DATABASE_URL', 'sluice_relay'),
    linkerDatabaseUrl: ofRole('SLUICE_LINKER_DATABASE_URL', 'sluice_linker'),
    watchdogDatabaseUrl: ofRole('SLUICE_WATCHDOG_DATABASE_URL', 'sluice_watchdog'),
    watchdogSeconds: reader.integer('SLUICE_WATCHDOG_SECONDS', 15, 1, 3600),
    reconcileSeconds: reader.integer('SLUICE_RECONCILE_SECONDS', 60, 1, 3600),
    retentionSeconds: reader.integer('SLUICE_RETENTION_SECONDS', 3600, 1, 86_400),
    supersedeGraceSeconds: reader.integer('SLUICE_SUPERSEDE_GRACE_SECONDS', 10, 1, 3600),
    temporalAddress: reader.required('SLUICE_TEMPORAL_ADDRESS', "Temporal's frontend, host:port"),
    temporalNamespace: reader.optional('SLUICE_TEMPORAL_NAMESPACE', 'sluice'),
    evidenceDir: reader.required('SLUICE_EVIDENCE_DIR', 'the folder of the evidence store'),
    codecKeysFile: reader.required('SLUICE_CODEC_KEYS', "the payload codec's key file"),
    signerSocket: reader.required('SLUICE_SIGNER_SOCKET', "the signer's Unix socket"),
    trivy: reader.optional('SLUICE_TRIVY', 'trivy'),
    trivyCache: reader.optional('SLUICE_TRIVY_CACHE', join(tmpdir(), 'sluice-trivy')),
    policyDir: reader.optional('SLUICE_POLICY_DIR', builtInPolicyDir('release-gate')),
    port:
      reader.optional('SLUICE_WORKER_PORT', undefined) === undefined
        ? null
        : reader.integer('SLUICE_WORKER_PORT', 0, 0, 65_535),
    scanSeconds: reader.integer('SLUICE_SCAN_SECONDS', 240, 1, 3600),
    workerDeployment: readDeployment(reader),
    workflowBundle: reader.optional('SLUICE_WORKFLOW_BUNDLE', null),
    ...readStepSettings(reader, ownPaths),
  };
  refuseTracesUrl(environment, reader);
  reader.assertValid();
  return settings;
}

function readDeployment(reader: SettingsReader): string | null {
  const name = reader.optional('SLUICE_WORKER_DEPLOYMENT', undefined);
  if (name === undefined) return null;
  if (!DEPLOYMENT_NAME.test(name)) {
    reader.refuse(
      'SLUICE_WORKER_DEPLOYMENT is no name: write up to 100 letters, digits, - and _, for example "sluice".',
    );
  }
  return name;
}

function refuseTracesUrl(environment: Environment, reader: SettingsReader): void {
  try {
    readTracesUrl(undefined, environment);
  } catch (error) {
    reader.refuse((error as Error).message);
  }
}

function withRole(databaseUrl: string, role: string, reader: SettingsReader): string {
  if (databaseUrl === '') return '';
  try {
    const url = new URL(databaseUrl);
    url.username = role;
    return url.href;
  } catch {
    reader.refuse('SLUICE_DATABASE_URL is no URL: write postgres://role:password@host:port/name.');
    return '';
  }
}
