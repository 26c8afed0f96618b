import { request } from 'node:http';
import {
  type CommandKind,
  type Envelope,
  isDigest,
  type Statement,
  type TrustRoot,
} from '@sluice/domain';
import { signerSocketPath } from './signer-socket.ts';
import { SignerRefusedError, SigningError } from './signing-error.ts';
import { isJsonObject, parseStrictJson } from './strict-json.ts';
import { parseTrustRoot } from './trust-root.ts';

const MAX_REPLY_BYTES = 16 * 1024 * 1024;

/** `POST /v1/commands`: what the signer shall sign after it looked at the records itself. */
export interface SignCommandRequest {
  readonly tenantId: string;
  readonly promotionId: string;
  readonly target: string;
  readonly kind: CommandKind;
  readonly planDigest: string;
  readonly payloadDigest: string;
  readonly idempotencyKey: string;
  readonly sequence: number;
  /** RFC 3339. */
  readonly notBefore: string;
  /** RFC 3339. */
  readonly expiresAt: string;
}

/** `POST /v1/statements`. */
export interface SignStatementRequest {
  readonly tenantId: string;
  readonly promotionId: string;
  readonly statement: Statement;
}

/** `POST /v1/histories`: the statement of one archived workflow run. */
export interface SignHistoryRequest {
  readonly tenantId: string;
  /** As `composeHistoryStatement` makes it. */
  readonly statement: Statement;
}

/** The signer as the rest of the control plane sees it. */
export interface SignerClient {
  /**
   * @throws SignerRefusedError (`code` `signer-refused`, `refusalCode` the signer's own) when the records
   *   do not allow it; SigningError `signer-unavailable` when it could not be asked
   */
  signCommand(
    command: SignCommandRequest,
  ): Promise<{ readonly envelope: Envelope; readonly commandDigest: string }>;
  /** @throws as {@link SignerClient.signCommand} does */
  signStatement(statement: SignStatementRequest): Promise<{ readonly envelope: Envelope }>;
  /** @throws as {@link SignerClient.signCommand} does */
  signHistory(history: SignHistoryRequest): Promise<{ readonly envelope: Envelope }>;
  /** @throws SigningError `signer-unavailable` */
  readTrustRoot(): Promise<TrustRoot>;
}

/**
 * A client of the signer over its Unix socket; one connection per request.
 * @param options.socketPath as configured; {@link signerSocketPath} is applied here
 * @param options.timeoutMs for one request as a whole; 10 seconds where nothing is given
 */
export function createSignerClient(options: {
  readonly socketPath: string;
  readonly timeoutMs?: number;
}): SignerClient {
  const { socketPath, timeoutMs = 10_000 } = options;

  async function ask(method: string, path: string, body?: unknown): Promise<unknown> {
    const reply = await exchange(signerSocketPath(socketPath), timeoutMs, method, path, body);
    if (reply.status === 200) return reply.body;
    const { code, message } = isJsonObject(reply.body) ? reply.body : {};
    const isRefusal = reply.status >= 400 && reply.status < 500;
    if (isRefusal && typeof code === 'string' && typeof message === 'string') {
      throw new SignerRefusedError(code, message);
    }
    throw unavailable(socketPath, `it answered ${reply.status} to ${method} ${path}`);
  }

  async function signed(path: string, body: unknown): Promise<{ readonly envelope: Envelope }> {
    const reply = await ask('POST', path, body);
    const envelope = isJsonObject(reply) ? reply['envelope'] : undefined;
    if (!isJsonObject(envelope)) {
      throw unavailable(socketPath, 'its answer to a statement was not understood');
    }
    return { envelope: envelope as unknown as Envelope };
  }

  return {
    async signCommand(command) {
      const reply = await ask('POST', '/v1/commands', command);
      const { envelope, commandDigest } = isJsonObject(reply) ? reply : {};
      if (
        !isJsonObject(envelope) ||
        typeof commandDigest !== 'string' ||
        !isDigest(commandDigest)
      ) {
        throw unavailable(socketPath, 'its answer to a command was not understood');
      }
      return { envelope: envelope as unknown as Envelope, commandDigest };
    },
    signStatement: (statement) => signed('/v1/statements', statement),
    signHistory: (history) => signed('/v1/histories', history),
    async readTrustRoot() {
      return parseTrustRoot(await ask('GET', '/v1/trust-root'));
    },
  };
}

function exchange(
  socketPath: string,
  timeoutMs: number,
  method: string,
  path: string,
  body: unknown,
): Promise<{ status: number; body: unknown }> {
  const text = body === undefined ? '' : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => reject(unavailable(socketPath, cause.message, cause));
    const outgoing = request(
      {
        socketPath,
        method,
        path,
        agent: false,
        signal: AbortSignal.timeout(timeoutMs),
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
      },
      (reply) => {
        const chunks: Buffer[] = [];
        let size = 0;
        reply.on('error', fail);
        reply.on('data', (chunk: Buffer) => {
          size += chunk.byteLength;
          if (size > MAX_REPLY_BYTES) reply.destroy(new Error('its answer is too long'));
          else chunks.push(chunk);
        });
        reply.on('end', () => {
          try {
            const limits = { maxBytes: MAX_REPLY_BYTES, maxDepth: 64 };
            const parsed = parseStrictJson(new Uint8Array(Buffer.concat(chunks)), limits);
            resolve({ status: reply.statusCode ?? 0, body: parsed });
          } catch (error) {
            fail(error as Error);
          }
        });
      },
    );
    outgoing.on('error', fail);
    outgoing.end(text);
  });
}

function unavailable(socketPath: string, what: string, cause?: unknown): SigningError {
  return new SigningError(
    'signer-unavailable',
    `The signer at ${socketPath} did not sign: ${what}. Is the signer process running?`,
    cause,
  );
}
