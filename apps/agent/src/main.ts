import { join } from 'node:path';
import { type AgentClient, createAgentClient } from '@sluice/agent-protocol';
import { createLogger, type Logger, startTracing } from '@sluice/observability';
import { createRouter } from '@sluice/router';
import type { KeyPair } from '@sluice/signing';
import { createLinuxHostDriver } from '@sluice/target-drivers';
import { Agent, type AgentHost } from './agent.ts';
import { AGENT_VERSION, type AgentSettings, readAgentSettings } from './agent-settings.ts';
import { Backoff } from './backoff.ts';
import { createFaultPoint, type FaultPoint } from './fault-point.ts';
import { type Enrolment, enrol, findEnrolment, openIdentity } from './identity.ts';
import { startProber } from './prober.ts';
import { lockStateFolder } from './state-lock.ts';

const outcome = readAgentSettings(process.env);
if (outcome.ok) {
  const log = createLogger({ service: 'agent', level: outcome.settings.logLevel });
  const stop = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort());
  try {
    const tracing = await startTracing({ service: 'agent', logger: log });
    await runAgent(outcome.settings, log, stop.signal).finally(tracing.stop);
  } catch (error) {
    log.fatal({ err: error }, (error as Error).message);
    process.exitCode = 1;
  }
  // Whatever a client library keeps open must not hold up the end.
  process.exit();
} else {
  for (const problem of outcome.problems) process.stderr.write(`sluice-agent: ${problem}\n`);
  process.exit(2);
}

async function runAgent(settings: AgentSettings, log: Logger, signal: AbortSignal): Promise<void> {
  const { stateDir, controlPlane } = settings;
  await lockStateFolder(stateDir);
  const keyPair = openIdentity(stateDir);
  const client = createAgentClient({ baseUrl: controlPlane, keyPair });
  const enrolment =
    (await findEnrolment(stateDir, keyPair)) ??
    (await enrolWithPatience(settings, keyPair, client, log, signal));
  if (enrolment === undefined) return;
  const faultPoint = createFaultPoint(stateDir, settings.pauseAt);
  const { host, close } = await openHost(settings, log, faultPoint);
  const { target, tenantId, agentKeyId } = enrolment;
  const agentLog = log.child({ target });
  const { pollSeconds } = settings;
  const agent = await Agent.open({
    stateDir,
    keyPair,
    enrolment,
    client,
    host,
    log: agentLog,
    faultPoint,
    pollSeconds,
  });
  process.stdout.write(`${JSON.stringify({ ready: true, tenantId, target, agentKeyId })}\n`);
  const findActive = async (): Promise<string | null> =>
    'driver' in host ? ((await host.driver.findActive())?.releaseDigest ?? null) : null;
  const prober = startProber(
    { settings: settings.probe, client, findActive, log: agentLog },
    signal,
  );
  try {
    await agent.run(signal);
  } finally {
    await prober.stop();
    const service = settings.stopService && signal.aborted ? 'stop' : 'keep';
    await close(service);
    agentLog.info({ service }, 'The agent ends.');
  }
}

/** What the agent acts on: the proxy of this host where its settings name one, else the host itself. */
async function openHost(
  settings: AgentSettings,
  log: Logger,
  faultPoint: FaultPoint,
): Promise<{
  readonly host: AgentHost;
  readonly close: (service: 'stop' | 'keep') => Promise<void>;
}> {
  const { stateDir } = settings;
  if (settings.router !== undefined) {
    const router = createRouter(settings.router, { stateFolder: join(stateDir, 'router') });
    return { host: { router }, close: () => router.close() };
  }
  const driver = await createLinuxHostDriver({
    stateDir,
    secretsDir: settings.secretsDir,
    graceMs: settings.graceMs,
    keepReleases: settings.keepReleases,
    nixStore: settings.nixStore,
    generator: `sluice-agent/${AGENT_VERSION}`,
    log: (level, message, fields) => log[level](fields ?? {}, message),
    onPoint: faultPoint,
  });
  return { host: { driver }, close: (service) => driver.close(service) };
}

/** A control plane that is away is waited for; undefined when the agent is stopped meanwhile. */
async function enrolWithPatience(
  { stateDir, token }: AgentSettings,
  keyPair: KeyPair,
  client: AgentClient,
  log: Logger,
  signal: AbortSignal,
): Promise<Enrolment | undefined> {
  const backoff = new Backoff(500, 10_000);
  while (!signal.aborted) {
    try {
      const enrolment = await enrol(stateDir, keyPair, client, token);
      log.info({ target: enrolment.target, agentKeyId: enrolment.agentKeyId }, 'Enrolled.');
      return enrolment;
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'control-plane-unreachable') throw error;
      log.warn({ err: error }, 'The control plane can not be reached to enrol; tried again.');
      await backoff.pause(signal);
    }
  }
  return undefined;
}
