import { readPrivateFile } from '@sluice/signing';
import type { CliIo } from './cli-io.ts';
import { CliError, EXIT_CODES } from './exit-codes.ts';
import { streamOnce } from './subscription-client.ts';
import { clause } from './text-layout.ts';

/** Where the API is looked for when nothing names it. */
export const DEFAULT_API_URL = 'http://127.0.0.1:7070';

const MAX_ANSWER_BYTES = 128 * 1024 * 1024;
const TIMEOUT_MS = 30_000;
/** What an Authorization header can carry; anything else would fail in fetch, which prints it. */
const TOKEN = /^[\x21-\x7e]{1,512}$/;

/** How the API is reached. */
export interface ApiOptions {
  readonly api?: string;
  readonly token?: string;
  readonly tokenFile?: string;
}

/** GraphQL over HTTP, one operation a call; subscriptions over WebSocket, one connection each. */
export interface ApiClient {
  readonly url: string;
  /** @throws CliError */
  run<T>(operation: string, variables?: Readonly<Record<string, unknown>>): Promise<T>;
  /**
   * @param onOpen called when the API has accepted the connection
   * @throws StreamLost when the connection breaks, CliError for what the API says
   */
  stream<T>(
    operation: string,
    variables: Readonly<Record<string, unknown>>,
    onOpen: () => void,
  ): AsyncIterable<T>;
}

/**
 * A client of the API that the options, else the environment, name.
 * @throws CliError when the address or the token cannot be used
 */
export function createApiClient(options: ApiOptions, io: CliIo): ApiClient {
  const url = apiUrl(options, io);
  const token = readToken(options, io);
  if (token === undefined) {
    throw new CliError(
      EXIT_CODES.usage,
      'token-missing',
      'No token is given.',
      'Set SLUICE_TOKEN, or name a file with --token-file.',
    );
  }
  return {
    url,
    run: async <T>(operation: string, variables: Readonly<Record<string, unknown>> = {}) => {
      const body = JSON.stringify({ query: operation, variables });
      const answer = await post(io, url, token, body);
      return readAnswer<T>(answer.status, answer.text, url);
    },
    stream: (operation, variables, onOpen) => streamOnce(url, token, operation, variables, onOpen),
  };
}

/** The API's base address, without a slash at its end. */
export function apiUrl(options: ApiOptions, io: CliIo): string {
  const text = options.api ?? io.env['SLUICE_API_URL'] ?? DEFAULT_API_URL;
  try {
    const { protocol, href } = new URL(text);
    if (protocol === 'http:' || protocol === 'https:') return href.replace(/\/+$/, '');
  } catch {
    // Said below, for both.
  }
  const next = `Write --api ${DEFAULT_API_URL}, or set SLUICE_API_URL.`;
  throw new CliError(EXIT_CODES.usage, 'api-url-invalid', `"${text}" is no http address.`, next);
}

/**
 * The bearer token: --token, --token-file, SLUICE_TOKEN, SLUICE_TOKEN_FILE, in this order.
 * @throws CliError `token-invalid`, `token-file-unusable`; no message shows the token
 */
export function readToken(options: ApiOptions, io: CliIo): string | undefined {
  const token = findToken(options, io);
  if (token === undefined || TOKEN.test(token)) return token;
  const message = 'The token is not 1 to 512 visible ASCII characters without blanks between them.';
  const next = 'Copy it again, as one line; it is not shown here.';
  throw new CliError(EXIT_CODES.usage, 'token-invalid', message, next);
}

function findToken(options: ApiOptions, { env }: CliIo): string | undefined {
  if (options.token !== undefined) return options.token.trim();
  const environment = options.tokenFile === undefined ? env['SLUICE_TOKEN'] : undefined;
  if (environment !== undefined && environment !== '') return environment.trim();
  const file = options.tokenFile ?? env['SLUICE_TOKEN_FILE'];
  if (file === undefined || file === '') return undefined;
  try {
    return readPrivateFile(file).trim();
  } catch (error) {
    const next = 'Name a file that only you may read and that holds the token.';
    const message = `${clause((error as Error).message)}.`;
    throw new CliError(EXIT_CODES.usage, 'token-file-unusable', message, next);
  }
}

/** Says that nobody answered, and what to do. */
export function unreachable(url: string, error: unknown): CliError {
  const { message, cause } = error as { message?: string; cause?: { message?: string } };
  return new CliError(
    EXIT_CODES.unreachable,
    'api-unreachable',
    `The API at ${url} did not answer: ${clause(cause?.message || message || 'unknown')}.`,
    'Is it running? Name its address with --api or SLUICE_API_URL; sluice doctor looks closer.',
  );
}

async function post(io: CliIo, url: string, token: string, body: string) {
  try {
    const response = await io.fetch(`${url}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
        authorization: `Bearer ${token}`,
      },
      body,
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
      size += chunk.byteLength;
      if (size > MAX_ANSWER_BYTES) throw new Error(`more than ${MAX_ANSWER_BYTES} bytes`);
      chunks.push(chunk);
    }
    return { status: response.status, text: Buffer.concat(chunks).toString('utf8') };
  } catch (error) {
    throw unreachable(url, error);
  }
}

interface Answer {
  readonly data?: unknown;
  readonly errors?: readonly {
    readonly message?: string;
    readonly extensions?: { readonly code?: string };
  }[];
}

function readAnswer<T>(status: number, text: string, url: string): T {
  let answer: Answer = {};
  try {
    answer = (JSON.parse(text) as Answer | null) ?? {};
  } catch {
    if (status !== 401) throw unreachable(url, new Error(`it answered ${status} with no JSON`));
  }
  const [first] = answer.errors ?? [];
  const code = first?.extensions?.code;
  if (status === 401 || code === 'UNAUTHENTICATED') {
    throw new CliError(
      EXIT_CODES.failed,
      'token-refused',
      `The API at ${url} does not know this token.`,
      'Ask an administrator for a token of a principal in the API configuration.',
    );
  }
  if (first !== undefined) {
    const message = first.message ?? 'The API gave an error without a message.';
    throw new CliError(EXIT_CODES.failed, code ?? 'api-error', message);
  }
  if (answer.data == null) throw unreachable(url, new Error(`it answered ${status} without data`));
  return answer.data as T;
}
