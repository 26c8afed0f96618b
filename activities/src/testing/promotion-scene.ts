import { createReportEnvelope } from '@sluice/agent-protocol';
import {
  type AgentReport,
  composeRelease,
  DEFAULT_DEADLINES,
  DEFAULT_ROLLBACK_ROLES,
  type Environment,
  type JsonValue,
  PIPELINE_TEMPLATE_SCHEMA,
  type Pipeline,
  type PipelineTemplate,
  type PrincipalKind,
  type PromotionKind,
  REPORT_SCHEMA,
  type ReportStage,
  ROLLBACK_PIPELINE,
  type Role,
  STANDARD_PIPELINE,
  type Target,
} from '@sluice/domain';
import {
  applyConfiguration,
  type CommandRecord,
  enrolAgent,
  insertEvidence,
  insertPromotion,
  insertRelease,
  insertReport,
  type NewStep,
  type Pool,
  type PromotionRecord,
  withTenant,
} from '@sluice/persistence';
import { createTestDatabase, type TestDatabase } from '@sluice/persistence/testing';
import { digestOfBytes } from '@sluice/pure';
import { generateKeyPair, type KeyPair } from '@sluice/signing';

/** Trace context of every promotion of a scene. */
export const SCENE_TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

/** The tenant of a scene. */
export const SCENE_TENANT = 'acme';

/** A database with a configured tenant, as the API leaves it. */
export interface PromotionScene {
  readonly database: TestDatabase;
  readonly app: Pool;
  readonly worker: Pool;
  /** Agent keys by target. */
  readonly agents: ReadonlyMap<string, KeyPair>;
  /** Stores a release of one component and gives its digest. */
  addRelease(version: string, imageDigest?: string): Promise<string>;
  /** Stores a promotion as `requestPromotion` does: to `dev`, asked for by `alice`, where nothing else is said. */
  addPromotion(
    releaseDigest: string,
    changed?: {
      readonly environment?: string;
      readonly kind?: PromotionKind;
      readonly requestedBy?: string;
      readonly requestedPerson?: string;
      readonly parameters?: Readonly<Record<string, JsonValue>>;
    },
  ): Promise<PromotionRecord>;
  /** Stores an agent's signed report as the agent channel does. */
  report(
    command: CommandRecord,
    stage: ReportStage,
    activeRelease: string | null,
    failure?: AgentReport['failure'],
  ): Promise<void>;
}

/** What a scene is configured with. */
export interface SceneOptions {
  readonly targets?: readonly string[];
  /** HAProxies with the backend `shop`, each with its agent. */
  readonly routers?: readonly string[];
  /** What `dev` runs. */
  readonly pipeline?: Pipeline | PipelineTemplate;
  /** Others that are published. */
  readonly pipelines?: readonly PipelineTemplate[];
  /** By target; none when absent. */
  readonly labels?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly policyDigest?: string;
  /** Layout folder of the source `samples`. */
  readonly layout?: string;
  readonly target?: Partial<Target>;
  /** What `dev` asks for beside its pipeline. */
  readonly environment?: Partial<Environment>;
  /** More environments, without targets. */
  readonly before?: readonly string[];
}

/** Everybody of a scene: `alice` asks, and owns a service account; `bob` and `carol` approve; `root` may do all. */
const SCENE_PRINCIPALS = [
  { name: 'alice', role: 'release-manager', kind: 'person', owner: null },
  { name: 'alice-bot', role: 'approver', kind: 'service', owner: 'alice' },
  { name: 'bob', role: 'approver', kind: 'person', owner: null },
  { name: 'carol', role: 'approver', kind: 'person', owner: null },
  { name: 'root', role: 'admin', kind: 'person', owner: null },
].map((principal) => ({
  ...(principal as { name: string; role: Role; kind: PrincipalKind; owner: string | null }),
  tokenHashes: [digestOfBytes(`token of ${principal.name}`)],
}));

/** Makes a scene on a database of its own; drop it at the end. */
export async function createPromotionScene(options: SceneOptions = {}): Promise<PromotionScene> {
  const { targets = ['dev-1'], routers = [], pipeline = STANDARD_PIPELINE } = options;
  const database = await createTestDatabase();
  await database.addTenant(SCENE_TENANT);
  const app = database.poolOf('sluice_app');
  const worker = database.poolOf('sluice_worker');
  const agents = new Map([...targets, ...routers].map((name) => [name, generateKeyPair()]));
  await withTenant(app, SCENE_TENANT, async (tx) => {
    await applyConfiguration(tx, {
      sources: [{ name: 'samples', kind: 'oci-layout', location: options.layout ?? '/nowhere' }],
      pipelines: [...(options.pipelines ?? []), pipeline],
      policies: [
        { name: 'release-gate', policyDigest: options.policyDigest ?? digestOfBytes('policy') },
      ],
      environments: [
        {
          name: 'dev',
          position: 1,
          pipeline: pipeline.name,
          policy: 'release-gate',
          deadlines: DEFAULT_DEADLINES,
          predecessors: [],
          approval: null,
          rollbackRoles: DEFAULT_ROLLBACK_ROLES,
          ...options.environment,
        },
        ...(options.before ?? []).map((name, index) => ({
          name,
          position: -1 - index,
          pipeline: pipeline.name,
          policy: 'release-gate',
          deadlines: DEFAULT_DEADLINES,
          predecessors: [],
          approval: null,
          rollbackRoles: DEFAULT_ROLLBACK_ROLES,
        })),
      ],
      targets: [...targets, ...routers].map((name, index) => ({
        name,
        environment: 'dev',
        kind: routers.includes(name) ? ('haproxy' as const) : ('linux-host' as const),
        address: '127.0.0.1',
        labels: options.labels?.[name] ?? {},
        settings: (routers.includes(name)
          ? { backend: 'shop' }
          : { PORT: '8080' }) as Target['settings'],
        health: {
          path: '/healthz',
          // Behind a router each is a server of its own.
          port: routers.length > 0 ? 8080 + index : 8080,
          intervalMs: 10,
          timeoutMs: 500,
          successes: 2,
          failures: 3,
        },
        ...(routers.includes(name) ? {} : options.target),
      })),
      principals: SCENE_PRINCIPALS,
    });
    for (const [target, { keyId, publicKey }] of agents) {
      await enrolAgent(tx, { target, keyId, publicKey, version: '0.1.0' });
    }
  });
  return {
    database,
    app,
    worker,
    agents,
    addRelease: (version, imageDigest = digestOfBytes(`image ${version}`)) =>
      withTenant(worker, SCENE_TENANT, async (tx) => {
        const mediaType = 'application/vnd.oci.image.manifest.v1+json';
        await insertEvidence(tx, { digest: imageDigest, mediaType, size: 512 });
        const release = composeRelease('hello', version, [
          { name: 'web', kind: 'oci', digest: imageDigest, version },
        ]);
        if (!release.ok) throw new Error(release.refusal.message);
        const stored = await insertRelease(tx, { release: release.value, createdBy: 'alice' });
        if (!stored.ok) throw new Error(stored.refusal.message);
        return stored.value.releaseDigest;
      }),
    addPromotion: (releaseDigest, changed = {}) =>
      withTenant(app, SCENE_TENANT, (tx) =>
        insertPromotion(tx, {
          environment: 'dev',
          releaseDigest,
          kind: 'promote',
          requestedBy: 'alice',
          requestedPerson: 'alice',
          rollback: changed.kind === 'rollback' ? { to: 'release', reason: 'it broke' } : undefined,
          traceparent: SCENE_TRACEPARENT,
          steps: knownSteps(changed.kind === 'rollback' ? ROLLBACK_PIPELINE : pipeline),
          ...changed,
        }),
      ),
    report: async (command, stage, activeRelease, failure = null) => {
      const key = agents.get(command.target);
      if (key === undefined) throw new Error(`No agent of ${command.target}.`);
      const body: AgentReport = {
        schema: REPORT_SCHEMA,
        tenantId: SCENE_TENANT,
        target: command.target,
        agentKeyId: key.keyId,
        commandDigest: command.commandDigest,
        sequence: command.sequence,
        stage,
        at: '2026-11-21T12:00:00Z',
        failure,
        activeRelease,
      };
      const envelope = createReportEnvelope(body, key);
      await withTenant(app, SCENE_TENANT, (tx) => insertReport(tx, { envelope, body }));
    },
  };
}

/** Those of a team's pipeline are known only when the rules are frozen. */
function knownSteps({ schema, steps }: Pipeline | PipelineTemplate): readonly NewStep[] {
  if (schema === PIPELINE_TEMPLATE_SCHEMA) return [];
  return steps.map(({ id, type }) => ({ id, type }));
}
