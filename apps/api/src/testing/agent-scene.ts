import {
  type AgentClient,
  createAgentClient,
  createCommandEnvelope,
  createReportEnvelope,
} from '@sluice/agent-protocol';
import {
  type AgentCommand,
  type AgentReport,
  COMMAND_SCHEMA,
  composePlan,
  type Envelope,
  PAYLOAD_SCHEMA,
  REPORT_SCHEMA,
  type ReportStage,
} from '@sluice/domain';
import {
  insertCommand,
  insertPlan,
  nextCommandSequence,
  setDeploymentState,
  upsertDeployment,
  withTenant,
} from '@sluice/persistence';
import { canonicalJson, digestOfBytes, mintEnrolmentToken, planDigest } from '@sluice/pure';
import { generateKeyPair, type KeyPair, statementDigest } from '@sluice/signing';
import { ENROLMENT_KEY, TENANT, type TestApi, testTarget } from './test-api.ts';

/** A key pair that may sign commands in tests. */
const commandKey = generateKeyPair();

/** An enrolled agent. */
export interface TestAgent {
  readonly target: string;
  readonly keyPair: KeyPair;
  readonly client: AgentClient;
}

/** A token for a target, good for an hour. */
export function mintToken(target: string, overrides: Record<string, string> = {}): string {
  const id = crypto.randomUUID();
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
  return mintEnrolmentToken(
    { tenantId: TENANT, target, id, expiresAt, ...overrides },
    ENROLMENT_KEY,
  );
}

/** Enrols a fresh key for a target, over HTTP. */
export async function enrol(api: TestApi, target: string): Promise<TestAgent> {
  const keyPair = generateKeyPair();
  const client = createAgentClient({ baseUrl: api.url, keyPair });
  await client.enrol(mintToken(target), '0.1.0');
  return { target, keyPair, client };
}

/** A stored command with its digest. */
export interface StoredCommand {
  readonly command: AgentCommand;
  readonly envelope: Envelope;
  readonly commandDigest: string;
}

/** Stores a dispatched deployment and its signed command, as the deploy activity would. */
export async function dispatch(
  api: TestApi,
  agent: TestAgent,
  promotionId: string,
  releaseDigest: string,
  kind: AgentCommand['kind'] = 'deploy',
): Promise<StoredCommand> {
  const { target, keyPair } = agent;
  const plan = composePlan(target, null, { release: releaseDigest, components: [], settings: {} });
  const payload = canonicalJson({
    schema: PAYLOAD_SCHEMA,
    environment: 'dev',
    desired: null,
    health: testTarget(target, 'dev').health,
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  });
  return withTenant(api.workerPool, TENANT, async (tx) => {
    await insertPlan(tx, plan);
    if (kind === 'deploy') {
      await upsertDeployment(tx, { promotionId, target, planDigest: planDigest(plan) });
      await setDeploymentState(tx, { promotionId, target, state: 'dispatched' });
    }
    const sequence = await nextCommandSequence(tx, target);
    const idempotencyKey = `${promotionId}/deploy/${target}/${kind}/${sequence}`;
    const command: AgentCommand = {
      schema: COMMAND_SCHEMA,
      tenantId: TENANT,
      target,
      agentKeyId: keyPair.keyId,
      sequence,
      fencingToken: 1,
      kind,
      promotionId,
      releaseDigest,
      planDigest: planDigest(plan),
      payloadDigest: digestOfBytes(payload),
      notBefore: new Date().toISOString(),
      expiresAt: new Date(Date.now() + 60_000).toISOString(),
      idempotencyKey,
    };
    const envelope = createCommandEnvelope(command, commandKey);
    const commandDigest = statementDigest(envelope);
    await insertCommand(tx, {
      target,
      sequence,
      commandDigest,
      kind,
      promotionId,
      releaseDigest,
      idempotencyKey,
      envelope,
      payload,
      fencingToken: 1,
      expiresAt: command.expiresAt,
      workflowId: `promotion/${TENANT}/${promotionId}`,
      runId: 'run-1',
      activityId: `activity-${sequence}`,
    });
    return { command, envelope, commandDigest };
  });
}

/** A report of a stage, signed by an agent (or by another key). */
export function reportOf(
  agent: TestAgent,
  { command, commandDigest }: StoredCommand,
  stage: ReportStage,
  overrides: Partial<AgentReport> = {},
  signer: KeyPair = agent.keyPair,
): Envelope {
  const needsFailure = stage === 'refused' || stage === 'reverted';
  return createReportEnvelope(
    {
      schema: REPORT_SCHEMA,
      tenantId: TENANT,
      target: agent.target,
      agentKeyId: agent.keyPair.keyId,
      commandDigest,
      sequence: command.sequence,
      stage,
      at: new Date().toISOString(),
      failure: needsFailure ? { code: 'health-failed', message: 'The service is not well.' } : null,
      activeRelease: stage === 'confirmed' ? command.releaseDigest : null,
      ...overrides,
    },
    signer,
  );
}
