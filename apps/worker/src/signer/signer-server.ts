import { chmodSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createConnection } from 'node:net';
import type { Refusal, TrustRoot } from '@sluice/domain';
import {
  parseStrictJson,
  type SignCommandRequest,
  type SignHistoryRequest,
  type SignStatementRequest,
  signerSocketPath,
} from '@sluice/signing';

/** Answer of one signing call: what was signed, or why not. */
export type SigningAnswer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly refusal: Refusal };

/** What the server serves. */
export interface SignerService {
  signCommand(request: SignCommandRequest): Promise<SigningAnswer>;
  signStatement(request: SignStatementRequest): Promise<SigningAnswer>;
  signHistory(request: SignHistoryRequest): Promise<SigningAnswer>;
  readonly trustRoot: TrustRoot;
}

const MAX_REQUEST_BYTES = 8 * 1024 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;

/**
 * Serves the signer over a Unix socket of mode 600: POST /v1/commands, POST /v1/statements, POST /v1/histories,
 * GET /v1/trust-root, GET /healthz.
 * @param onError told of every error that is no refusal; the caller gets `unavailable` without its text
 * @returns the listening server; closing it removes the socket
 * @throws Error when another signer already listens there
 */
export async function serveSigner(
  socketPath: string,
  service: SignerService,
  onError: (error: unknown) => void,
): Promise<Server> {
  const path = signerSocketPath(socketPath);
  if (await isListening(path)) {
    throw new Error(`Another signer listens on ${path}: stop it first, or name another socket.`);
  }
  rmSync(path, { force: true });
  const server = createServer((request, response) => {
    answer(service, request).then(
      ({ status, body }) => reply(response, status, body),
      (error: unknown) => {
        onError(error);
        reply(response, 503, {
          code: 'unavailable',
          message: "The signer can't read its records now; try again.",
        });
      },
    );
  });
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.headersTimeout = REQUEST_TIMEOUT_MS;
  // The socket must never be there with a wider mode, not even for a moment.
  const mask = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } finally {
    process.umask(mask);
  }
  chmodSync(path, 0o600);
  return server;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

async function answer(service: SignerService, request: IncomingMessage): Promise<Answer> {
  const route = `${request.method ?? ''} ${request.url ?? ''}`;
  if (route === 'GET /healthz') return { status: 200, body: { ok: true } };
  if (route === 'GET /v1/trust-root') return { status: 200, body: service.trustRoot };
  const sign = signingOf(service, route);
  if (sign === undefined) {
    return refusal(404, 'route-unknown', `The signer does not know ${route.slice(0, 100)}.`);
  }
  const read = await readBody(request);
  if (!read.ok) return refusal(400, 'request-invalid', read.problem);
  const signed = await sign(read.value);
  if (signed.ok) return { status: 200, body: signed.value };
  const status = signed.refusal.code === 'request-invalid' ? 400 : 409;
  return { status, body: signed.refusal };
}

/** What answers a route; each checks its request itself. */
function signingOf(
  service: SignerService,
  route: string,
): ((request: unknown) => Promise<SigningAnswer>) | undefined {
  switch (route) {
    case 'POST /v1/commands':
      return (request) => service.signCommand(request as SignCommandRequest);
    case 'POST /v1/statements':
      return (request) => service.signStatement(request as SignStatementRequest);
    case 'POST /v1/histories':
      return (request) => service.signHistory(request as SignHistoryRequest);
    default:
      return undefined;
  }
}

async function readBody(
  request: IncomingMessage,
): Promise<{ ok: true; value: unknown } | { ok: false; problem: string }> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    if (size > MAX_REQUEST_BYTES) {
      return { ok: false, problem: `The request has more than ${MAX_REQUEST_BYTES} bytes.` };
    }
    chunks.push(chunk);
  }
  try {
    const limits = { maxBytes: MAX_REQUEST_BYTES, maxDepth: 40 };
    return { ok: true, value: parseStrictJson(new Uint8Array(Buffer.concat(chunks)), limits) };
  } catch (error) {
    return { ok: false, problem: (error as Error).message };
  }
}

function refusal(status: number, code: string, message: string): Answer {
  return { status, body: { code, message } };
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    connection: 'close',
  });
  response.end(text);
}

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createConnection(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}
