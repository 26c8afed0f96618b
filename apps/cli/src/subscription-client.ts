import type { ExecutionResult } from 'graphql';
import { CliError, EXIT_CODES } from './exit-codes.ts';
import { clause } from './text-layout.ts';

const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
const HANDSHAKE_MS = 10_000;
/** How often the server is asked whether it is there, and how long it may take to say so. */
const PING_MS = 10_000;
const PONG_MS = 5000;

/** Close codes after which another try would end alike: of graphql-ws's protocol, and "message too big". */
const FATAL_CODES = [1009, 4400, 4401, 4403, 4406, 4409];
const REFUSED_CODES = [4401, 4403];

/** The connection broke: what came so far is good, and the rest can be asked for again. */
export class StreamLost extends Error {
  readonly code = 'stream-lost';

  constructor(message: string) {
    super(message);
    this.name = 'StreamLost';
  }
}

/** True for a {@link StreamLost}. */
export function isStreamLost(error: unknown): error is StreamLost {
  return (error as { code?: unknown } | null)?.code === 'stream-lost';
}

/**
 * What a subscription sends over one connection (graphql-transport-ws), until the server completes it.
 * @param url the API's base address
 * @param onOpen called when the API has accepted the connection
 * @throws StreamLost when the connection cannot be made, breaks or falls silent; CliError for what the API says
 */
export async function* streamOnce<T>(
  url: string,
  token: string,
  operation: string,
  variables: Readonly<Record<string, unknown>>,
  onOpen: () => void,
): AsyncGenerator<T, void, undefined> {
  // Most commands need none of it.
  const { createClient } = await import('graphql-ws/client');
  let silence: NodeJS.Timeout | undefined;
  const client = createClient({
    url: `${url.replace(/^http/, 'ws')}/graphql`,
    webSocketImpl: await loadBoundedSocket(),
    connectionParams: { authorization: `Bearer ${token}` },
    connectionAckWaitTimeout: HANDSHAKE_MS,
    keepAlive: PING_MS,
    retryAttempts: 0,
    on: {
      connected: onOpen,
      ping: (received) => {
        if (received) return;
        silence = setTimeout(() => client.terminate(), PONG_MS);
      },
      pong: (received) => {
        if (received) clearTimeout(silence);
      },
    },
  });
  try {
    const results = client.iterate<T>({ query: operation, variables: { ...variables } });
    for await (const result of results) yield readResult<T>(result as ExecutionResult<T>, url);
  } catch (error) {
    throw explain(error, url);
  } finally {
    clearTimeout(silence);
    void client.dispose();
  }
}

/** A socket with bounds, which graphql-ws has no way to set. */
async function loadBoundedSocket(): Promise<unknown> {
  const { WebSocket } = await import('ws');
  return class BoundedWebSocket extends WebSocket {
    constructor(address: string | URL, protocols?: string | string[]) {
      super(address, protocols, {
        handshakeTimeout: HANDSHAKE_MS,
        maxPayload: MAX_MESSAGE_BYTES,
        perMessageDeflate: false,
      });
    }
  };
}

function readResult<T>({ data, errors }: ExecutionResult<T>, url: string): T {
  const [first] = errors ?? [];
  if (first !== undefined) throw refusal(first, url);
  if (data == null) throw new StreamLost('a message came without data');
  return data;
}

interface ServerError {
  readonly message?: string;
  readonly extensions?: { readonly code?: unknown };
}

function refusal({ message, extensions }: ServerError, url: string): CliError {
  const code = typeof extensions?.code === 'string' ? extensions.code : 'api-error';
  if (code === 'UNAUTHENTICATED') return tokenRefused(url);
  const text = message ?? 'The API gave an error without a message.';
  return new CliError(EXIT_CODES.failed, code, text);
}

function tokenRefused(url: string): CliError {
  return new CliError(
    EXIT_CODES.failed,
    'token-refused',
    `The API at ${url} does not take this token for a subscription.`,
    'Ask an administrator for a token of a principal in the API configuration.',
  );
}

/** graphql-ws throws the server's list of errors, a close event, or what the socket said. */
function explain(error: unknown, url: string): Error {
  if (Array.isArray(error)) return refusal((error[0] ?? {}) as ServerError, url);
  const { name, code, reason, message } = error as {
    name?: unknown;
    code?: unknown;
    reason?: unknown;
    message?: unknown;
  };
  if (name === 'CliError' || name === 'StreamLost') return error as Error;
  if (typeof code === 'number' && REFUSED_CODES.includes(code)) return tokenRefused(url);
  const said = [reason, message].find((text) => typeof text === 'string' && text !== '');
  const text = clause(String(said ?? 'the connection was closed'));
  if (typeof code === 'number' && FATAL_CODES.includes(code)) {
    const next = 'Is this sluice as new as the API? Compare their versions.';
    const what = `The API at ${url} ended the subscription with ${code}: ${text}.`;
    return new CliError(EXIT_CODES.failed, 'subscription-refused', what, next);
  }
  return new StreamLost(typeof code === 'number' ? `closed with ${code}: ${text}` : text);
}
