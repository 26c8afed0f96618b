import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { DEFAULT_AGENT_SETTINGS, TRUST_ROOT_SCHEMA } from '@sluice/domain';
import { createFolderStore, type EvidenceStore } from '@sluice/evidence-store';
import { QUERY_LIMITS, type QueryLimits } from '@sluice/graphql';
import { InMemoryEngineClient } from '@sluice/graphql/testing';
import { createLogger, createMetrics } from '@sluice/observability';
import {
  COMMANDS_CHANNEL,
  createListener,
  createPool,
  EVENTS_CHANNEL,
  type Pool,
  RELEASE_REQUESTS_CHANNEL,
  STEP_LOGS_CHANNEL,
} from '@sluice/persistence';
import { createTestDatabase, type TestDatabase } from '@sluice/persistence/testing';
import { createTrustRoot, generateKeyPair } from '@sluice/signing';
import { parseCodecKeys } from '@sluice/temporal-client';
import type { ApiParts } from '../api-parts.ts';
import type { ReadinessCheck } from '../health/readiness.ts';
import { serveApi } from '../serve-api.ts';
import {
  SUBSCRIPTION_LIMITS,
  type SubscriptionLimits,
} from '../subscriptions/subscription-limits.ts';
import { createSharedWakeups } from '../wakeups/shared-wakeups.ts';
import { startCountingProxy } from './counting-proxy.ts';
import { recordAsWorker, recordSteerAsWorker } from './record-as-worker.ts';
import { configureTenant, OTHER_TENANT, TENANT, tokenOf } from './test-configuration.ts';

export { OTHER_TENANT, PROD_RULE, TENANT, testTarget, tokenOf } from './test-configuration.ts';

/** The key with which tests mint enrolment tokens. */
export const ENROLMENT_KEY = new Uint8Array(32).fill(9);

/** The keys with which tests seal archived histories. */
export const TEST_CODEC_KEYS = parseCodecKeys({
  tenants: Object.fromEntries(
    [TENANT, OTHER_TENANT].map((tenant, index) => [
      tenant,
      { keyId: `key-of-${tenant}`, key: Buffer.alloc(32, index + 1).toString('base64') },
    ]),
  ),
});

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
  readonly linkerPool: Pool;
  readonly evidence: EvidenceStore;
  /** Stands in for Temporal; what it admits is recorded as the worker would. */
  readonly engine: InMemoryEngineClient;
  /** Every line that the API logged. */
  readonly logged: readonly string[];
  /** Statements that the API ran on the wire since the last call. */
  takeStatementCount(): number;
  ask(
    query: string,
    variables?: Record<string, unknown>,
    token?: string | null,
    headers?: Record<string, string>,
  ): Promise<Answer>;
  stop(): Promise<void>;
}

/** What a test may want otherwise. */
export interface TestApiOptions {
  readonly releaseWaitMs?: number;
  readonly readinessChecks?: readonly ReadinessCheck[];
  readonly publicUrl?: URL;
  readonly queryLimits?: QueryLimits;
  readonly subscriptionLimits?: SubscriptionLimits;
  /** Another process over the same database, with the same engine. */
  readonly beside?: TestApi;
}

/** Starts the API over the test's configuration, as a process would: own pool, own listener, nothing shared but the rows. */
export async function startTestApi(options: TestApiOptions = {}): Promise<TestApi> {
  const { beside } = options;
  const database = beside?.database ?? (await createTestDatabase());
  const folder = await mkdtemp(join(tmpdir(), 'sluice-api-'));
  const proxy = await startCountingProxy(database.urlOf('sluice_app'));
  const pool = createPool({
    connectionString: proxy.urlOf(database.urlOf('sluice_app')),
    applicationName: 'sluice-test-api',
  });
  if (beside === undefined) {
    await configureTenant(pool, TENANT);
    await configureTenant(pool, OTHER_TENANT);
  }
  const wakeups = createSharedWakeups();
  const listener = createListener({
    connectionString: database.urlOf('sluice_app'),
    channels: [COMMANDS_CHANNEL, RELEASE_REQUESTS_CHANNEL, EVENTS_CHANNEL, STEP_LOGS_CHANNEL],
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
  const evidence = beside?.evidence ?? createFolderStore(join(folder, 'evidence'));
  const workerPool = beside?.workerPool ?? database.poolOf('sluice_worker');
  const engine =
    beside?.engine ??
    new InMemoryEngineClient({
      record: recordAsWorker(workerPool),
      recordSteer: recordSteerAsWorker(workerPool),
    });
  const parts: ApiParts = {
    pool,
    evidence,
    codecKeys: TEST_CODEC_KEYS,
    log: createLogger({ service: 'api', stream }),
    metrics: createMetrics({ service: 'api', defaults: false }),
    wakeups,
    engine,
    queryLimits: options.queryLimits ?? QUERY_LIMITS,
    subscriptionLimits: options.subscriptionLimits ?? SUBSCRIPTION_LIMITS,
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
    workerPool,
    relayPool: beside?.relayPool ?? database.poolOf('sluice_relay'),
    linkerPool: beside?.linkerPool ?? database.poolOf('sluice_linker'),
    evidence,
    engine,
    logged,
    takeStatementCount: () => proxy.takeCount(),
    ask: (query, variables = {}, token = tokenOf('admin'), headers = {}) =>
      ask(api.url, query, variables, token, headers),
    async stop() {
      await api.stop();
      await listener.close();
      await pool.close();
      await proxy.close();
      if (beside === undefined) await database.drop();
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
