import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buildSchema, graphql } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';

/** Root fields of a fake API: what each answers, by its arguments. */
export type FakeRoot = Readonly<
  Record<string, (args: Record<string, unknown>) => unknown | AsyncIterable<unknown>>
>;

/** A fake API: the real schema over real HTTP and WebSocket, with made-up answers. */
export interface FakeGraphqlServer {
  readonly url: string;
  /** Arguments of each subscription that was begun. */
  readonly begun: Record<string, unknown>[];
  /** Breaks every WebSocket without a word, as a killed process does. */
  drop(): void;
  /** Refuses every token from now on. */
  forgetTokens(): void;
  close(): Promise<void>;
}

/** The token that the fake knows. */
export const FAKE_TOKEN = 'fake-token';

const folder = new URL('../../../graphql/schema/', import.meta.url);

/** Starts a fake API on a free port of this machine. */
export async function startFakeGraphqlServer(root: FakeRoot): Promise<FakeGraphqlServer> {
  const schema = buildSchema(
    readdirSync(folder)
      .filter((name) => name.endsWith('.graphql'))
      .map((name) => readFileSync(new URL(name, folder), 'utf8'))
      .join('\n'),
  );
  let known = `Bearer ${FAKE_TOKEN}`;
  const begun: Record<string, unknown>[] = [];
  const server = createServer(async (request, response) => {
    const { query, variables } = JSON.parse(await textOf(request));
    const isKnown = request.headers.authorization === known;
    const answer = isKnown
      ? await graphql({ schema, source: query, variableValues: variables, rootValue: root })
      : { errors: [{ message: 'Who?', extensions: { code: 'UNAUTHENTICATED' } }] };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
  });
  const sockets = new WebSocketServer({ server, path: '/graphql' });
  const ending = useServer(
    {
      schema,
      roots: { subscription: root },
      onConnect: ({ connectionParams }) => connectionParams?.['authorization'] === known,
      onSubscribe: (_, __, { variables }) => {
        begun.push(variables ?? {});
      },
    },
    sockets,
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    begun,
    drop: () => {
      for (const socket of sockets.clients) socket.terminate();
    },
    forgetTokens: () => {
      known = 'nobody';
    },
    close: async () => {
      await ending.dispose();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
