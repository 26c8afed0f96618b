import { createHash } from 'node:crypto';
import { type Envelope, isDigest, type Outcome } from '@sluice/domain';
import type { KeyPair } from '@sluice/signing';
import { signAgentRequest } from './agent-request.ts';
import {
  AGENT_PATHS,
  type CommandDelivery,
  type EnrolResponse,
  type HeartbeatRequest,
  MAX_RESPONSE_BYTES,
  MAX_WAIT_SECONDS,
  type ProbeSample,
  parseCommandsResponse,
  parseEnrolResponse,
  parseErrorResponse,
  parseOkResponse,
} from './messages.ts';
import { AgentProtocolError } from './protocol-error.ts';

/** The control plane as an agent sees it. Every call may throw an AgentProtocolError. */
export interface AgentClient {
  /** Brings the key to the control plane with a one-time token. */
  enrol(token: string, version: string): Promise<EnrolResponse>;
  heartbeat(state: HeartbeatRequest, signal?: AbortSignal): Promise<void>;
  /** Commands after a sequence, ascending; waits for one up to `waitSeconds` (at most 25). */
  pollCommands(
    after: number,
    waitSeconds: number,
    signal?: AbortSignal,
  ): Promise<readonly CommandDelivery[]>;
  /** Idempotent: sending a report again is no change. */
  sendReport(envelope: Envelope, signal?: AbortSignal): Promise<void>;
  /** Idempotent, as {@link AgentClient.sendReport}. At most 100 samples at a time. */
  sendProbes(samples: readonly ProbeSample[], signal?: AbortSignal): Promise<void>;
  /**
   * A blob's bytes, bounded and verified while they are read: the iteration ends well only when the digest
   * matched, and throws `blob-corrupt` otherwise (after the last byte: use nothing before the end).
   */
  fetchBlob(
    digest: string,
    options: { readonly maxBytes: number; readonly signal?: AbortSignal },
  ): AsyncIterable<Uint8Array>;
}

/**
 * A client of the agent channel; signs every request with the agent's key. It retries nothing.
 * @param options.baseUrl of the control plane, such as `http://127.0.0.1:8080`
 * @param options.timeoutMs for an answer to begin and end (a poll's wait comes on top), and the longest
 *   silence within a blob; 15 seconds where nothing is given
 */
export function createAgentClient(options: {
  readonly baseUrl: string;
  readonly keyPair: KeyPair;
  readonly fetch?: typeof globalThis.fetch;
  readonly now?: () => number;
  readonly timeoutMs?: number;
}): AgentClient {
  const {
    baseUrl,
    keyPair,
    fetch = globalThis.fetch,
    now = Date.now,
    timeoutMs = 15_000,
  } = options;

  async function send(
    method: string,
    path: string,
    body: unknown,
    signal: AbortSignal,
  ): Promise<Response> {
    const url = new URL(path, baseUrl).href;
    const text = body === undefined ? '' : JSON.stringify(body);
    const bytes = new Uint8Array(Buffer.from(text));
    const headers = await signAgentRequest({ method, url, body: bytes }, keyPair, now());
    try {
      const response = await fetch(url, {
        method,
        headers: { ...headers, ...(text === '' ? {} : { 'content-type': 'application/json' }) },
        ...(text === '' ? {} : { body: text }),
        redirect: 'error',
        signal,
      });
      if (response.status !== 200) throw await refusal(response, `${method} ${path}`);
      return response;
    } catch (error) {
      throw unreachable(baseUrl, error);
    }
  }

  async function call<T>(
    method: string,
    path: string,
    body: unknown,
    parse: (text: Uint8Array) => Outcome<T>,
    signal: AbortSignal | undefined,
    extraMs = 0,
  ): Promise<T> {
    const deadline = AbortSignal.timeout(timeoutMs + extraMs);
    const either = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
    const response = await send(method, path, body, either);
    const bytes = await readBounded(response, MAX_RESPONSE_BYTES).catch((error: unknown) => {
      throw unreachable(baseUrl, error);
    });
    const parsed = parse(bytes);
    if (parsed.ok) return parsed.value;
    const what = `The answer to ${method} ${path} is not understood: ${parsed.refusal.message}`;
    throw new AgentProtocolError('response-malformed', what, { status: response.status });
  }

  async function* fetchBlob(
    digest: string,
    { maxBytes, signal }: { readonly maxBytes: number; readonly signal?: AbortSignal },
  ): AsyncGenerator<Uint8Array> {
    if (!isDigest(digest)) throw new AgentProtocolError('blob-corrupt', `"${digest}": no digest.`);
    const silence = new AbortController();
    const fallSilent = (): void => silence.abort(new Error(`no byte for ${timeoutMs} ms`));
    let timer = setTimeout(fallSilent, timeoutMs);
    const either =
      signal === undefined ? silence.signal : AbortSignal.any([signal, silence.signal]);
    try {
      const response = await send('GET', `${AGENT_PATHS.blobs}/${digest}`, undefined, either);
      const hash = createHash('sha256');
      let size = 0;
      for await (const chunk of chunksOf(response, baseUrl)) {
        clearTimeout(timer);
        size += chunk.byteLength;
        if (size > maxBytes) {
          const what = `Blob ${digest} is longer than the ${maxBytes} bytes that were announced.`;
          throw new AgentProtocolError('blob-corrupt', what);
        }
        hash.update(chunk);
        yield chunk;
        timer = setTimeout(fallSilent, timeoutMs);
      }
      const found = `sha256:${hash.digest('hex')}`;
      if (found !== digest) {
        throw new AgentProtocolError('blob-corrupt', `Blob ${digest} came with digest ${found}.`);
      }
    } finally {
      clearTimeout(timer);
      silence.abort();
    }
  }

  return {
    enrol: (token, version) => {
      const body = { token, publicKey: keyPair.publicKey, version };
      return call('POST', AGENT_PATHS.enrol, body, parseEnrolResponse, undefined);
    },
    heartbeat: async (state, signal) => {
      await call('POST', AGENT_PATHS.heartbeat, state, parseOkResponse, signal);
    },
    pollCommands: async (after, waitSeconds, signal) => {
      const wait = Math.min(MAX_WAIT_SECONDS, Math.max(0, Math.floor(waitSeconds)));
      const path = `${AGENT_PATHS.commands}?after=${after}&wait=${wait}`;
      const parse = parseCommandsResponse;
      return (await call('GET', path, undefined, parse, signal, wait * 1000)).commands;
    },
    sendReport: async (envelope, signal) => {
      await call('POST', AGENT_PATHS.reports, { envelope }, parseOkResponse, signal);
    },
    sendProbes: async (samples, signal) => {
      await call('POST', AGENT_PATHS.probes, { samples }, parseOkResponse, signal);
    },
    fetchBlob,
  };
}

async function refusal(response: Response, what: string): Promise<AgentProtocolError> {
  const { status } = response;
  const body = await readBounded(response, 64 * 1024).catch(() => new Uint8Array());
  const parsed = parseErrorResponse(body);
  if (status >= 400 && status < 500 && status !== 429 && parsed.ok) {
    const { code, message } = parsed.value;
    const text = `The control plane refused ${what}: ${message} (${code})`;
    return new AgentProtocolError('control-plane-refused', text, { refusalCode: code, status });
  }
  const text = `The control plane answered ${status} to ${what}.`;
  return new AgentProtocolError('control-plane-unreachable', text, { status });
}

function unreachable(baseUrl: string, error: unknown): AgentProtocolError {
  if ((error as { name?: unknown }).name === 'AgentProtocolError')
    return error as AgentProtocolError;
  const { message, cause } = error as { message?: string; cause?: { message?: string } };
  return new AgentProtocolError(
    'control-plane-unreachable',
    `The control plane at ${baseUrl} did not answer: ${cause?.message ?? message ?? 'unknown'}.`,
    { cause: error },
  );
}

async function readBounded(response: Response, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) {
      const what = `The answer has more than ${maxBytes} bytes.`;
      throw new AgentProtocolError('response-malformed', what, { status: response.status });
    }
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

async function* chunksOf(response: Response, baseUrl: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response.body ?? []) yield chunk;
  } catch (error) {
    throw unreachable(baseUrl, error);
  }
}
