import { lookup as lookUpName } from 'node:dns';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import type { AddressGuard } from './address-guard.ts';
import { OutboundError, unansweredBy } from './outbound-error.ts';
import { readOutboundHeaders, readOutboundUrl } from './request-form.ts';

/** One request. */
export interface OutboundRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
  /** Until the last byte of the answer. */
  readonly timeoutMs: number;
  /** Bytes of the answer's body; more are `outbound-too-large`. */
  readonly maxBytes: number;
  readonly cancellation: AbortSignal;
}

/** An answer whose body is still coming. */
export interface OutboundAnswer {
  readonly status: number;
  /** Names in lower case; values of one name joined with commas. */
  readonly headers: Readonly<Record<string, string>>;
  /** Bounded; fails with an {@link OutboundError}. */
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * Asks over HTTP. Follows no redirects, keeps no connection, sends no credentials of its own, goes through no proxy. The guard is asked
 * about the addresses that the connection is made to: a name that leads elsewhere the second time it is looked up gains nothing.
 */
export interface OutboundClient {
  /**
   * @param receive reads what it wants of the body; the connection is closed when it has ended
   * @throws OutboundError, the reason of the cancellation, or what `receive` throws
   */
  exchange<T>(
    request: OutboundRequest,
    receive: (answer: OutboundAnswer) => Promise<T>,
  ): Promise<T>;
}

/** Bytes of an answer's headers. */
const MAX_HEADER_BYTES = 32 * 1024;

/** The longest that Node's timers can wait. */
const MAX_TIMEOUT_MS = 2_147_483_647;

/** What stands behind a name; a fake stands here in tests. */
export type LookUp = (
  host: string,
  done: (
    error: Error | null,
    addresses: readonly { readonly address: string; readonly family: number }[],
  ) => void,
) => void;

const LOOK_UP: LookUp = (host, done) => {
  lookUpName(host, { all: true }, (error, addresses) => done(error, addresses ?? []));
};

/** Builds a client. */
export function createOutboundClient(
  guard: AddressGuard,
  lookUp: LookUp = LOOK_UP,
): OutboundClient {
  const lookup = guardedLookup(guard, lookUp);
  return {
    async exchange(request, receive) {
      const { cancellation } = request;
      cancellation.throwIfAborted();
      const url = readOutboundUrl(request.url);
      const headers = readOutboundHeaders(request.headers);
      assertLiteral(guard, url);
      const ended = new AbortController();
      const onCancel = (): void => ended.abort(cancellation.reason);
      cancellation.addEventListener('abort', onCancel, { once: true });
      const timeoutMs = Math.min(Math.max(1, request.timeoutMs), MAX_TIMEOUT_MS);
      const timer = setTimeout(() => ended.abort(tooSlow(timeoutMs)), timeoutMs);
      try {
        const response = await send(url, { ...request, headers, lookup, signal: ended.signal });
        return await receive({
          status: response.statusCode ?? 0,
          headers: joinHeaders(response),
          body: boundedBody(response, request.maxBytes, ended.signal),
        });
      } finally {
        clearTimeout(timer);
        cancellation.removeEventListener('abort', onCancel);
        // What was not read is not waited for.
        ended.abort();
      }
    },
  };
}

function tooSlow(timeoutMs: number): OutboundError {
  const seconds = Math.round(timeoutMs / 100) / 10;
  return new OutboundError('outbound-unanswered', `no whole answer came within ${seconds} s`);
}

/** An address in the URL is never looked up. */
function assertLiteral(guard: AddressGuard, url: URL): void {
  const address = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (isIP(address) === 0) return;
  const refusal = guard.findRefusal(address, [address]);
  if (refusal !== undefined) throw new OutboundError('outbound-refused', refusal);
}

function guardedLookup(guard: AddressGuard, lookUp: LookUp): LookupFunction {
  return (host, options, callback) => {
    lookUp(host, (error, addresses) => {
      if (error !== null) return callback(error, []);
      const refusal = guard.findRefusal(
        host,
        addresses.map(({ address }) => address),
      );
      const [first] = addresses;
      if (refusal !== undefined || first === undefined) {
        return callback(new OutboundError('outbound-refused', refusal ?? 'no address'), []);
      }
      if (options.all === true) callback(null, [...addresses]);
      else callback(null, first.address, first.family);
    });
  };
}

interface Sending extends OutboundRequest {
  readonly lookup: LookupFunction;
  readonly signal: AbortSignal;
}

function send(url: URL, sending: Sending): Promise<IncomingMessage> {
  const { method, headers, body, lookup, signal } = sending;
  const start = url.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const sent = start(url, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-length': body.byteLength }) },
      agent: false,
      lookup,
      signal,
      maxHeaderSize: MAX_HEADER_BYTES,
    });
    // Stays for errors after the answer began: its body fails then.
    sent.on('error', (error) => reject(reasonOf(error, signal)));
    sent.once('response', (response) => {
      // Told to whoever reads the body; when nobody does it must not end the process.
      response.on('error', () => undefined);
      resolve(response);
    });
    sent.once('upgrade', (_response, socket) => {
      socket.destroy();
      reject(new OutboundError('outbound-unanswered', 'it wants another protocol (101)'));
    });
    sent.end(body);
  });
}

async function* boundedBody(
  response: IncomingMessage,
  maxBytes: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let read = 0;
  try {
    for await (const chunk of response) {
      read += (chunk as Buffer).byteLength;
      if (read > maxBytes) {
        throw new OutboundError('outbound-too-large', `it is longer than ${maxBytes} bytes`);
      }
      yield chunk as Buffer;
    }
  } catch (error) {
    throw reasonOf(error, signal);
  }
}

/** Cancellation and time come as what ended the connection; the connection's own error says less. */
function reasonOf(error: unknown, signal: AbortSignal): Error {
  return signal.aborted ? (signal.reason as Error) : unansweredBy(error);
}

function joinHeaders(response: IncomingMessage): Record<string, string> {
  const joined = new Map<string, string>();
  for (let at = 0; at + 1 < response.rawHeaders.length; at += 2) {
    const name = (response.rawHeaders[at] ?? '').toLowerCase();
    const value = response.rawHeaders[at + 1] ?? '';
    const before = joined.get(name);
    joined.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return Object.fromEntries(joined);
}
