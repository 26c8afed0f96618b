import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createAgentClient } from '@sluice/agent-protocol';
import {
  type CommandPayload,
  composeRouteTable,
  PAYLOAD_SCHEMA,
  ROUTE_PAYLOAD_SCHEMA,
  type RoutePayload,
} from '@sluice/domain';
import { createLogger } from '@sluice/observability';
import { digestOf } from '@sluice/pure';
import type { KeyPair } from '@sluice/signing';
import { Agent } from './agent.ts';
import { FakeControlPlane } from './fake-control-plane.ts';
import { FakeRouter } from './fake-router.ts';
import { FakeTargetDriver } from './fake-target-driver.ts';
import type { FaultPoint } from './fault-point.ts';
import { enrol, findEnrolment, openIdentity } from './identity.ts';
import type { JournalEntry } from './journal.ts';

/** For tests: an agent in this process, between a control plane and a driver, or a router, that are fakes. */
export class RunningAgent {
  readonly stateDir: string;
  readonly plane: FakeControlPlane;
  readonly driver = new FakeTargetDriver();
  readonly router = new FakeRouter();
  readonly #isRouter: boolean;
  readonly #keyPair: KeyPair;
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  private constructor(stateDir: string, plane: FakeControlPlane, isRouter: boolean) {
    this.stateDir = stateDir;
    this.#isRouter = isRouter;
    this.plane = plane;
    this.#keyPair = openIdentity(stateDir);
  }

  static async start(place: 'target' | 'router' = 'target'): Promise<RunningAgent> {
    const stateDir = await mkdtemp(join(tmpdir(), 'sluice-agent-'));
    const made = new RunningAgent(stateDir, await FakeControlPlane.start(), place === 'router');
    await made.start();
    return made;
  }

  async start(faultPoint: FaultPoint = async () => undefined): Promise<void> {
    const { stateDir, plane, driver, router } = this;
    const keyPair = this.#keyPair;
    const client = createAgentClient({ baseUrl: plane.url, keyPair });
    const enrolment =
      (await findEnrolment(stateDir, keyPair)) ??
      (await enrol(stateDir, keyPair, client, 'good-token'));
    const agent = await Agent.open({
      stateDir,
      keyPair,
      enrolment,
      client,
      host: this.#isRouter ? { router } : { driver },
      log: createLogger({ service: 'agent', level: 'silent' }),
      faultPoint,
      pollSeconds: 1,
    });
    this.#stop = new AbortController();
    this.#running = agent.run(this.#stop.signal);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async remove(): Promise<void> {
    await this.stop();
    await this.plane.close();
    await rm(this.stateDir, { recursive: true, force: true });
  }

  async journal(): Promise<readonly JournalEntry[]> {
    const text = await readFile(join(this.stateDir, 'journal.jsonl'), 'utf8');
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as JournalEntry);
  }

  /** Waits until a command has a line of this stage. */
  async untilStage(sequence: number, stage: string): Promise<void> {
    for (let tries = 0; tries < 500; tries += 1) {
      const lines = await this.journal();
      if (lines.some((line) => line.sequence === sequence && line.stage === stage)) return;
      await sleep(20);
    }
    throw new Error(`Command ${sequence} did not come to ${stage}.`);
  }
}

/** A payload that brings release `version`, whose digests are made of that text. */
export function payloadOf(version: string, changes: Partial<CommandPayload> = {}): CommandPayload {
  const digest = digestOf(version);
  const manifest = { mediaType: 'x', digest, size: 2 };
  return {
    schema: PAYLOAD_SCHEMA,
    environment: 'dev',
    desired: {
      release: { digest, name: 'app', version },
      components: [{ name: 'app', kind: 'oci', digest, version, manifest }],
      settings: {},
    },
    health: { path: '/', port: 1, intervalMs: 1, timeoutMs: 1, successes: 1, failures: 1 },
    traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    ...changes,
  };
}

/** A payload that sends a share of the requests to one of two servers. */
export function routePayloadOf(
  canaryPermille: number,
  changes: Partial<RoutePayload> = {},
): RoutePayload {
  const server = (name: string, port: number) => ({ name, address: '127.0.0.1', port });
  return {
    schema: ROUTE_PAYLOAD_SCHEMA,
    environment: 'dev',
    router: 'host-1',
    table: composeRouteTable({
      backend: 'shop',
      pools: { stable: [server('a', 8001)], canary: [server('b', 8002)] },
      canaryPermille,
      match: [],
    }),
    traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    ...changes,
  };
}
