import type { OutboundClient } from '../outbound/outbound-client.ts';
import { isOutboundError } from '../outbound/outbound-error.ts';
import { AnalysisProviderError } from './analysis-provider.ts';

/** Largest answer of a provider. Bytes. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** An answer that was read whole. */
export interface JsonAnswer {
  readonly status: number;
  /** Undefined where it is no JSON. */
  readonly value: unknown;
}

/** What is asked, and how. */
export interface JsonRequest {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs: number;
  readonly cancellation: AbortSignal;
}

/**
 * Asks for JSON.
 * @throws AnalysisProviderError `analysis-provider-down` where no whole answer comes, or one that says the service is in trouble (429, 5xx);
 *   `analysis-points-many` for a long one; the reason of the cancellation
 */
export async function askJson(client: OutboundClient, request: JsonRequest): Promise<JsonAnswer> {
  const { body, headers, cancellation, ...rest } = request;
  let answer: { readonly status: number; readonly text: string };
  try {
    answer = await client.exchange(
      {
        ...rest,
        headers: { accept: 'application/json', 'user-agent': 'sluice-analysis', ...headers },
        ...(body === undefined ? {} : { body: new TextEncoder().encode(body) }),
        maxBytes: MAX_ANSWER_BYTES,
        cancellation,
      },
      async ({ status, body: chunks }) => {
        const read: Uint8Array[] = [];
        for await (const chunk of chunks) read.push(chunk);
        return { status, text: Buffer.concat(read).toString('utf8') };
      },
    );
  } catch (error) {
    cancellation.throwIfAborted();
    throw translate(error);
  }
  const { status, text } = answer;
  if (status === 429 || status >= 500) {
    // Prometheus says 503 of queries that it gave up, with its reason in JSON.
    throw new AnalysisProviderError('analysis-provider-down', `It answered HTTP ${status}.`);
  }
  return { status, value: parse(text) };
}

function translate(error: unknown): unknown {
  if (!isOutboundError(error)) return error;
  const { code, message } = error;
  if (code === 'outbound-too-large') {
    return new AnalysisProviderError(
      'analysis-points-many',
      `Its answer cannot be taken: ${message}. Aggregate, or ask for a larger step.`,
    );
  }
  if (code === 'outbound-invalid') {
    return new AnalysisProviderError('analysis-query-refused', `It cannot be asked: ${message}.`);
  }
  return new AnalysisProviderError('analysis-provider-down', `It did not answer: ${message}.`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
