/** A question that the API did not answer as GraphQL should. */
export class GraphqlError extends Error {
  readonly code = 'graphql-failed';

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'GraphqlError';
  }
}

/** Asks one GraphQL endpoint as one principal. */
export type GraphqlClient = <Data>(
  document: string,
  variables?: Readonly<Record<string, unknown>>,
) => Promise<Data>;

const TIMEOUT_MS = 30_000;

/**
 * A client as anybody outside would write it: HTTP, a bearer token, JSON. A connection that breaks
 * and a 503 are tried again for up to 20 seconds, which is safe because every mutation carries an
 * idempotency key.
 *
 * @throws GraphqlError from each question that fails, with the server's message.
 */
export function createGraphqlClient(url: string, token: string): GraphqlClient {
  return async <Data>(
    document: string,
    variables: Readonly<Record<string, unknown>> = {},
  ): Promise<Data> => {
    const response = await post(url, token, JSON.stringify({ query: document, variables }));
    const text = await response.text();
    const answer = parseAnswer(text);
    if (answer?.errors !== undefined && answer.errors.length > 0) {
      const messages = answer.errors.map(({ message }) => message).join('; ');
      throw new GraphqlError(`${url} refused the question: ${messages}`);
    }
    if (!response.ok || answer?.data === undefined || answer.data === null) {
      throw new GraphqlError(`${url} answered ${response.status}: ${text.slice(0, 300)}`);
    }
    return answer.data as Data;
  };
}

async function post(url: string, token: string, body: string): Promise<Response> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (response.status !== 503 || Date.now() > deadline) {
        return response;
      }
    } catch (error) {
      if (Date.now() > deadline) {
        throw new GraphqlError(`${url} cannot be reached; is the API running?`, { cause: error });
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

function parseAnswer(
  text: string,
): { data?: unknown; errors?: readonly { message: string }[] } | undefined {
  try {
    return JSON.parse(text) as { data?: unknown; errors?: readonly { message: string }[] };
  } catch {
    return undefined;
  }
}
