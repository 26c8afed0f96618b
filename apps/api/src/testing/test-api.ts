import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import {
  DEFAULT_AGENT_SETTINGS,
  DEFAULT_DEADLINES,
  type Role,
  STANDARD_PIPELINE,
  type Target,
  TRUST_ROOT_SCHEMA,
} from '@sluice/domain';
import { createFolderStore, type EvidenceStore } from '@sluice/evidence-store';
import { createLogger, createMetrics } from '@sluice/observability';
import {
  applyConfiguration,
  COMMANDS_CHANNEL,
  createListener,
  type Pool,
  RELEASE_REQUESTS_CHANNEL,
  withTenant,
} from '@sluice/persistence';
import { createTestDatabase, type TestDatabase } from '@sluice/persistence/testing';
import { digestOfBytes } from '@sluice/pure';
import { createTrustRoot, generateKeyPair } from '@sluice/signing';
import type { ApiParts } from '../api-parts.ts';
import type { ReadinessCheck } from '../health/readiness.ts';
import { serveApi } from '../serve-api.ts';
import { createSharedWakeups } from '../wakeups/shared-wakeups.ts';
import { countStatements } from './count-statements.ts';

/** The tenant that the test's configuration names. */
export const TENANT = 'acme';

/** A second tenant in the same database. */
export const OTHER_TENANT = 'globex';

/** The key with which tests mint enrolment tokens. */
export const ENROLMENT_KEY = new Uint8Array(32).fill(9);

/** The token of a role in a tenant. */
export function tokenOf(role: Role, tenant = TENANT): string {
  return `token-of-${role}-in-${tenant}-0123456789`;
}

/** JSON whose form the test asserts. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a test looks into it freely
export type Json = any;

/** What a GraphQL request got. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly data: Record<string, Json> | null;
  readonly errors: readonly {
    readonly message: string;
    readonly path?: readonly (string | number)[];
    readonly extensions: Record<string, unknown>;
  }[];
}

/** The API on a database of its own, over HTTP. */
export interface TestApi {
  readonly url: string;
  readonly database: TestDatabase;
  /** Of the role sluice_app, as the API has it. */
  readonly appPool: Pool;
  readonly workerPool: Pool;
  readonly relayPool: Pool;
  readonly evidence: EvidenceStore;
  /** Every line that the API logged. */
  readonly logged: readonly string[];
  /** Statements that the API ran since the last call. */
  takeStatementCount(): number;
  ask(
    query: string,
    variables?: Record<string, unknown>,
    token?: string | null,
    headers?: Record<string, string>,
  ): Promise<Answer>;
  stop(): Promise<void>;
}

/** A target as tests configure it. */
export function testTarget(name: string, environment: string): Target {
  return {
    name,
    environment,
    kind: 'linux-host',
    address: '127.0.0.1',
    labels: { zone: 'a' },
    settings: { GREETING: 'hello', TOKEN: { secret: 'token' } },
    health: {
      path: '/healthz',
      port: 8080,
      intervalMs: 100,
      timeoutMs: 1000,
      successes: 1,
      failures: 3,
    },
  };
}

/** Starts the API: environments dev (one target) and empty (none), a source, and a principal per role. */
export async function startTestApi(
  options: {
    readonly releaseWaitMs?: number;
    readonly readinessChecks?: readonly ReadinessCheck[];
    readonly publicUrl?: URL;
  } = {},
): Promise<TestApi> {
  const database = await createTestDatabase();
  const folder = await mkdtemp(join(tmpdir(), 'sluice-api-'));
  const { pool, takeCount } = countStatements(database.poolOf('sluice_app'));
  await configure(pool, TENANT);
  await configure(pool, OTHER_TENANT);
  const wakeups = createSharedWakeups();
  const listener = createListener({
    connectionString: database.urlOf('sluice_app'),
    channels: [COMMANDS_CHANNEL, RELEASE_REQUESTS_CHANNEL],
    onNotify: ({ channel, payload }) => wakeups.notify(channel, payload),
  });
  await listener.ready;
  const logged: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      logged.push(String(chunk));
      done();
    },
  });
  const evidence = createFolderStore(join(folder, 'evidence'));
  const parts: ApiParts = {
    pool,
    evidence,
    log: createLogger({ service: 'api', stream }),
    metrics: createMetrics({ service: 'api', defaults: false }),
    wakeups,
    tenantId: TENANT,
    agents: DEFAULT_AGENT_SETTINGS,
    publicUrl: options.publicUrl ?? null,
    readTrustRoot: async () => testTrustRoot(),
    readEnrolmentKey: async () => ENROLMENT_KEY,
    readinessChecks: options.readinessChecks ?? [],
    releaseWaitMs: options.releaseWaitMs ?? 10_000,
    now: Date.now,
  };
  const api = await serveApi(parts, { host: '127.0.0.1', port: 0 });
  return {
    url: api.url,
    database,
    appPool: pool,
    workerPool: database.poolOf('sluice_worker'),
    relayPool: database.poolOf('sluice_relay'),
    evidence,
    logged,
    takeStatementCount: takeCount,
    ask: (query, variables = {}, token = tokenOf('admin'), headers = {}) =>
      ask(api.url, query, variables, token, headers),
    async stop() {
      await api.stop();
      await listener.close();
      await database.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const trustRootKey = generateKeyPair();

function testTrustRoot(): string {
  const notBefore = '2020-01-01T00:00:00Z';
  const { publicKey } = trustRootKey;
  return JSON.stringify(createTrustRoot([{ publicKey, use: 'evidence', notBefore }]));
}

/** The schema tag that the test's trust root carries. */
export const TRUST_ROOT_TAG = TRUST_ROOT_SCHEMA;

async function configure(pool: Pool, tenant: string): Promise<void> {
  const environment = (name: string, position: number) => ({
    name,
    position,
    pipeline: STANDARD_PIPELINE.name,
    policy: 'release-gate',
    deadlines: DEFAULT_DEADLINES,
  });
  const roles: readonly Role[] = ['viewer', 'release-manager', 'approver', 'admin'];
  await withTenant(pool, tenant, (tx) =>
    applyConfiguration(tx, {
      sources: [{ name: 'images', kind: 'oci-layout', location: '/nowhere' }],
      pipelines: [STANDARD_PIPELINE],
      policies: [{ name: 'release-gate', policyDigest: digestOfBytes('policy') }],
      environments: [environment('dev', 1), environment('empty', 2)],
      targets: [testTarget(`${tenant}-host`, 'dev')],
      principals: roles.map((role) => ({
        name: role,
        role,
        tokenHash: digestOfBytes(tokenOf(role, tenant)),
      })),
    }),
  );
}

async function ask(
  url: string,
  query: string,
  variables: Record<string, unknown>,
  token: string | null,
  headers: Record<string, string>,
): Promise<Answer> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: JSON.stringify({ query, variables }),
  });
  const body = (await response.json()) as Partial<Answer>;
  return {
    status: response.status,
    headers: response.headers,
    data: body.data ?? null,
    errors: body.errors ?? [],
  };
}
