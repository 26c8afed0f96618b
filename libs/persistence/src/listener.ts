import pg from 'pg';

/** One notification. It only wakes: what happened stands in the tables, and one may be missed. */
export interface Notification {
  readonly channel: string;
  readonly payload: string;
}

/** How a listener behaves. */
export interface ListenerOptions {
  readonly connectionString: string;
  /** Lower-case names of letters, digits and `_`. */
  readonly channels: readonly string[];
  readonly onNotify: (notification: Notification) => void;
  /**
   * Called each time the listener is (again) connected: whatever was notified meanwhile is lost, so look
   * into the tables.
   */
  readonly onConnected?: () => void;
  /** Told why a connection ended; the listener tries again by itself. */
  readonly onConnectionError?: (error: Error) => void;
  /** Shown in `pg_stat_activity`; `sluice-listener` when absent. */
  readonly applicationName?: string;
}

/** A running listener. */
export interface Listener {
  /** Resolves when the first connection listens. Never rejects: the listener goes on trying. */
  readonly ready: Promise<void>;
  /** Ends it for good. */
  close(): Promise<void>;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
/** A connection that is dead without a word is noticed by this question. */
const PROBE_MS = 15_000;

/**
 * Listens to channels on a connection of its own, and connects again for as long as it takes when the
 * connection ends: first after 0.1 s, then in growing steps of up to 5 s.
 */
export function createListener(options: ListenerOptions): Listener {
  for (const channel of options.channels) {
    if (!/^[a-z0-9_]{1,63}$/.test(channel)) throw new TypeError(`"${channel}" is no channel name.`);
  }
  const closed = new AbortController();
  let client: pg.Client | undefined;
  let announce: () => void = () => undefined;
  const ready = new Promise<void>((resolve) => {
    announce = resolve;
  });

  async function listenOnce(): Promise<boolean> {
    const current = new pg.Client({
      connectionString: options.connectionString,
      application_name: options.applicationName ?? 'sluice-listener',
      connectionTimeoutMillis: 10_000,
      query_timeout: 10_000,
      keepAlive: true,
    });
    client = current;
    const ended = new Promise<void>((resolve) => {
      current.on('error', (error: Error) => {
        options.onConnectionError?.(error);
        resolve();
      });
      current.on('end', () => resolve());
    });
    current.on('notification', ({ channel, payload }) =>
      options.onNotify({ channel, payload: payload ?? '' }),
    );
    let probe: NodeJS.Timeout | undefined;
    try {
      await current.connect();
      for (const channel of options.channels) await current.query(`listen ${channel}`);
      announce();
      options.onConnected?.();
      probe = setInterval(() => {
        current.query('select 1').catch((error: Error) => current.emit('error', error));
      }, PROBE_MS);
      await ended;
      return true;
    } catch (error) {
      options.onConnectionError?.(error as Error);
      return false;
    } finally {
      clearInterval(probe);
      current.end().catch(() => undefined);
    }
  }

  async function listen(): Promise<void> {
    let pause = FIRST_PAUSE_MS;
    while (!closed.signal.aborted) {
      pause = (await listenOnce()) ? FIRST_PAUSE_MS : Math.min(pause * 2, LONGEST_PAUSE_MS);
      await sleep(pause, closed.signal);
    }
  }

  const running = listen();
  return {
    ready,
    close: async () => {
      closed.abort();
      client?.end().catch(() => undefined);
      await running;
    },
  };
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
  });
}
