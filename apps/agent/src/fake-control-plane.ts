import { createReadStream } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import {
  AGENT_PATHS,
  type CommandDelivery,
  createCommandEnvelope,
  openReport,
  parseCommandsQuery,
  parseEnrolRequest,
  parseReportRequest,
  targetUri,
  verifyAgentRequest,
} from '@sluice/agent-protocol';
import {
  type AgentCommand,
  type AgentReport,
  COMMAND_SCHEMA,
  type CommandPayload,
  isFinalStage,
  ROUTE_PAYLOAD_SCHEMA,
  type RoutePayload,
  type TrustRoot,
} from '@sluice/domain';
import type { ImageLayout } from '@sluice/oci';
import { canonicalJson, digestOf, digestOfBytes } from '@sluice/pure';
import { createTrustRoot, generateKeyPair, type KeyPair, keyIdOf } from '@sluice/signing';

/** What a fake command may differ in from a good one. */
export interface CommandChanges extends Partial<AgentCommand> {
  /** Signs instead of the control plane's command key. */
  readonly signWith?: KeyPair;
  /** Sent instead of the payload that the command names. */
  readonly payloadSent?: string;
  /** Row number under which it is delivered; the command's own unless given. */
  readonly deliveredAs?: number;
}

/** A control plane in this process that speaks the real agent protocol and remembers what it was told. */
export class FakeControlPlane {
  readonly commandKey = generateKeyPair();
  readonly trustRoot: TrustRoot;
  readonly reports: AgentReport[] = [];
  readonly heartbeats: unknown[] = [];
  readonly refusals: string[] = [];
  readonly deliveries: CommandDelivery[] = [];
  /** While true, every connection is cut. */
  isDown = false;
  /** While true, no blob is given out. */
  refusesBlobs = false;
  /** While true, blobs are asked for and never come. */
  holdsBlobs = false;
  /** Bytes given out in place of a blob's own, by digest. */
  readonly exchanged = new Map<string, Buffer>();
  readonly #layout: ImageLayout | undefined;
  readonly #server: Server;
  readonly #agents = new Map<string, string>();
  readonly #nonces = new Set<string>();
  #sequence = 0;

  private constructor(layout: ImageLayout | undefined) {
    this.#layout = layout;
    this.trustRoot = createTrustRoot([
      {
        publicKey: this.commandKey.publicKey,
        use: 'command',
        notBefore: '2020-01-01T00:00:00Z',
      },
    ]);
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        this.refusals.push(String(error));
        response.destroy();
      });
    });
  }

  static async start(layout?: ImageLayout): Promise<FakeControlPlane> {
    const plane = new FakeControlPlane(layout);
    await new Promise<void>((resolve) => plane.#server.listen(0, '127.0.0.1', resolve));
    return plane;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get agentKeyId(): string {
    return [...this.#agents.keys()][0] ?? `sha256:${'0'.repeat(64)}`;
  }

  async close(): Promise<void> {
    this.isDown = true;
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Lets an agent in that was enrolled before. */
  admit(publicKey: string): void {
    this.#agents.set(keyIdOf(publicKey), publicKey);
  }

  /** Puts a signed command into the queue. */
  dispatch(payload: CommandPayload | RoutePayload, changes: CommandChanges = {}): AgentCommand {
    const { signWith, payloadSent, deliveredAs, ...fields } = changes;
    this.#sequence += 1;
    const text = canonicalJson(payload);
    const isRoute = payload.schema === ROUTE_PAYLOAD_SCHEMA;
    const release = isRoute ? undefined : payload.desired?.release.digest;
    const command: AgentCommand = {
      schema: COMMAND_SCHEMA,
      tenantId: 'acme',
      target: 'host-1',
      agentKeyId: this.agentKeyId,
      sequence: this.#sequence,
      fencingToken: 1,
      kind: isRoute ? 'route' : 'deploy',
      promotionId: `dev/${this.#sequence}`,
      releaseDigest: release ?? digestOf('nothing'),
      planDigest: digestOf(isRoute ? payload.table : 'plan'),
      payloadDigest: digestOfBytes(text),
      notBefore: new Date(Date.now() - 60_000).toISOString(),
      expiresAt: new Date(Date.now() + 300_000).toISOString(),
      idempotencyKey: `key-${this.#sequence}`,
      ...fields,
    };
    this.deliveries.push({
      sequence: deliveredAs ?? this.#sequence,
      envelope: createCommandEnvelope(command, signWith ?? this.commandKey),
      payload: payloadSent ?? text,
      traceparent: payload.traceparent,
    });
    return command;
  }

  /** Delivers the same envelope again as a new row. */
  replay(delivery: CommandDelivery): void {
    this.#sequence += 1;
    this.deliveries.push({ ...delivery, sequence: this.#sequence });
  }

  /** Stages that were reported of a command, in the order in which they came. */
  stagesOf(sequence: number): readonly string[] {
    return this.reports.flatMap((report) => (report.sequence === sequence ? [report.stage] : []));
  }

  /** The final report of a command, once it is there. */
  async finalReport(sequence: number, withinMs = 20_000): Promise<AgentReport> {
    const end = Date.now() + withinMs;
    for (;;) {
      const found = this.reports.find(
        (report) => report.sequence === sequence && isFinalStage(report.stage),
      );
      if (found !== undefined) return found;
      if (Date.now() > end) {
        const seen = this.stagesOf(sequence).join(', ');
        throw new Error(`No final report of ${sequence}; ${seen}; ${this.refusals.join('; ')}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.isDown) {
      request.destroy();
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = new Uint8Array(Buffer.concat(chunks));
    const url = new URL(request.url ?? '/', this.url);
    const answer = (status: number, value: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(value));
    };
    if (url.pathname === AGENT_PATHS.enrol) {
      const asked = parseEnrolRequest(body);
      if (!asked.ok || asked.value.token !== 'good-token') {
        return answer(403, { code: 'token-invalid', message: 'This token is not valid.' });
      }
      this.admit(asked.value.publicKey);
      return answer(200, {
        tenantId: 'acme',
        target: 'host-1',
        agentKeyId: keyIdOf(asked.value.publicKey),
        trustRoot: this.trustRoot,
        heartbeatSeconds: 1,
      });
    }
    const signed = await verifyAgentRequest(
      {
        method: request.method ?? '',
        url: targetUri('http', request.headers.host ?? '', request.url ?? ''),
        headers: request.headers as Record<string, string>,
        body,
      },
      (keyId) => this.#agents.get(keyId),
    );
    if (!signed.ok || this.#nonces.has(signed.value.nonce ?? '')) {
      this.refusals.push(signed.ok ? 'nonce' : signed.refusal.message);
      return answer(401, { code: 'signature-invalid', message: 'Not signed by a known agent.' });
    }
    this.#nonces.add(signed.value.nonce ?? '');
    if (url.pathname === AGENT_PATHS.heartbeat) {
      this.heartbeats.push(JSON.parse(Buffer.from(body).toString('utf8')));
      return answer(200, { ok: true });
    }
    if (url.pathname === AGENT_PATHS.commands) {
      return answer(200, { commands: await this.#poll(url.searchParams) });
    }
    if (url.pathname === AGENT_PATHS.reports) {
      const sent = parseReportRequest(body);
      const publicKey = [...this.#agents.values()][0] ?? '';
      const report = sent.ok ? openReport(sent.value.envelope, publicKey) : sent;
      if (!report.ok) return answer(400, report.refusal);
      const same = (other: AgentReport) => digestOf(other) === digestOf(report.value);
      if (!this.reports.some(same)) this.reports.push(report.value);
      return answer(200, { ok: true });
    }
    if (this.refusesBlobs) return answer(404, { code: 'blob-unknown', message: 'No such blob.' });
    if (this.holdsBlobs) return;
    return this.#sendBlob(url.pathname.slice(AGENT_PATHS.blobs.length + 1), response);
  }

  async #poll(query: URLSearchParams): Promise<readonly CommandDelivery[]> {
    const asked = parseCommandsQuery(Object.fromEntries(query));
    if (!asked.ok) throw new Error(asked.refusal.message);
    const { after, waitSeconds } = asked.value;
    const end = Date.now() + waitSeconds * 1000;
    for (;;) {
      const found = this.deliveries.filter(({ sequence }) => sequence > after);
      if (found.length > 0 || Date.now() >= end || this.isDown) return found;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async #sendBlob(digest: string, response: ServerResponse): Promise<void> {
    const exchanged = this.exchanged.get(digest);
    response.writeHead(200);
    if (exchanged !== undefined || this.#layout === undefined) {
      response.end(exchanged);
      return;
    }
    const path = `${this.#layout.directory}/blobs/sha256/${digest.slice(7)}`;
    await pipeline(createReadStream(path), response);
  }
}
