import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { Json } from './test-api.ts';

/** One message of the protocol `graphql-transport-ws`. */
export interface WireMessage {
  readonly id?: string;
  readonly type: string;
  readonly payload?: Json;
}

/** A connection that speaks the protocol by hand, so that a test can break it anywhere. */
export class Subscriber {
  readonly socket: WebSocket;
  /** Everything that came, in its order. */
  readonly messages: WireMessage[] = [];
  /** How the connection was closed; undefined while it is open. */
  closeCode: number | undefined;
  #wake: () => void = () => undefined;
  #ids = 0;

  constructor(
    url: string,
    headers: Record<string, string> = {},
    protocol = 'graphql-transport-ws',
  ) {
    this.socket = new WebSocket(url.replace(/^http/, 'ws'), protocol, { headers });
    this.socket.on('error', () => undefined);
    this.socket.on('message', (data) => {
      this.messages.push(JSON.parse(String(data)) as WireMessage);
      this.#wake();
    });
    this.socket.on('close', (code) => {
      this.closeCode = code;
      this.#wake();
    });
  }

  /** Opens one and says who it is; resolves when it is let in or closed. */
  static async connect(url: string, token: string): Promise<Subscriber> {
    const subscriber = new Subscriber(`${url}/graphql`);
    await subscriber.open();
    subscriber.send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } });
    await subscriber.until(({ messages }) =>
      messages.some(({ type }) => type === 'connection_ack'),
    );
    return subscriber;
  }

  async open(): Promise<void> {
    if (this.socket.readyState === WebSocket.CONNECTING) await once(this.socket, 'open');
  }

  send(message: WireMessage): void {
    this.socket.send(JSON.stringify(message));
  }

  /** Begins an operation; gives its id. */
  subscribe(query: string, variables: Record<string, unknown> = {}): string {
    this.#ids += 1;
    const id = String(this.#ids);
    this.send({ id, type: 'subscribe', payload: { query, variables } });
    return id;
  }

  /** What an operation got so far. */
  of(id: string): readonly WireMessage[] {
    return this.messages.filter((message) => message.id === id);
  }

  /** Resolves when this holds, or the connection is closed; throws after so many milliseconds. */
  async until(holds: (subscriber: Subscriber) => boolean, maxMs = 15_000): Promise<void> {
    const deadline = performance.now() + maxMs;
    while (!holds(this) && this.closeCode === undefined) {
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`Not in ${maxMs} ms; got ${JSON.stringify(this.messages)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Resolves with the code with which it was closed. */
  async untilClosed(maxMs = 15_000): Promise<number> {
    await this.until(() => false, maxMs);
    return this.closeCode ?? 0;
  }

  /** Breaks the connection, as a network would. */
  drop(): void {
    this.socket.terminate();
  }
}
