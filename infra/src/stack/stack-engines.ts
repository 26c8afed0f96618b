import type { DevServer, DevServerOptions } from '@sluice/temporal-server';
import { startDevServer } from '@sluice/temporal-server';
import { startEmbeddedPostgres } from '../embedded-postgres/start-embedded-postgres.ts';
import { getTool } from '../tools/get-tool.ts';
import { listChildren } from './child-processes.ts';
import { StackError } from './stack-error.ts';
import type { StackLayout } from './stack-layout.ts';
import { logFileOf } from './stack-layout.ts';
import type { StackParts } from './stack-parts.ts';
import type { StackPorts } from './stack-ports.ts';
import type { StackOptions } from './stack-types.ts';

/** What is known of Postgres and Temporal once they were started. */
export type Engines = {
  superuserUrl(): string;
  temporalAddress(): string;
  temporalNamespace(): string;
  /** Absent when no web UI was asked for. */
  temporalUiUrl(): string | undefined;
};

/**
 * Declares the parts `postgres` and `temporal`. Each of the returned functions throws
 * `stack-part-failed` until its part was started.
 *
 * @param onPort - told where a part listens after its first start: a port that was taken since it
 *   was chosen is left for the next one.
 */
export function declareEngines(
  options: StackOptions,
  layout: StackLayout,
  parts: StackParts,
  ports: StackPorts,
  onPort: (name: string, port: number) => void,
): Engines {
  const known: { superuserUrl?: string; address?: string; namespace?: string; uiUrl?: string } = {};
  const listening = new Map<string, number>();
  // Everything else is configured with the first port, so a part that comes back must come back
  // there.
  const assertPort = async (
    name: string,
    { port, stop }: { readonly port: number; stop(): Promise<void> },
  ): Promise<void> => {
    const first = listening.get(name);
    if (first === undefined) {
      listening.set(name, port);
      onPort(name, port);
    } else if (port !== first) {
      await stop();
      throw new StackError(
        'stack-port-lost',
        `${name} could not come back on port ${first}, for something else listens there now; end that and start it again.`,
      );
    }
  };
  parts.add('postgres', async () => {
    const postgres = await startEmbeddedPostgres({
      dataDir: layout.postgresDir,
      port: listening.get('postgres') ?? ports['postgres'] ?? 0,
      logFile: logFileOf(layout, 'postgres'),
      ...(options.postgresSettings === undefined ? {} : { settings: options.postgresSettings }),
    });
    await assertPort('postgres', postgres);
    known.superuserUrl ??= postgres.superuserUrl;
    return {
      pid: postgres.pid,
      stop: postgres.stop,
      signal: signalling(postgres, () => listChildren(postgres.pid)),
    };
  });
  parts.add('temporal', async () => {
    const server = await startTemporal({
      executable: options.temporalExecutable ?? (await getTool('temporal')).path,
      dbFile: layout.temporalDb,
      port: listening.get('temporal') ?? ports['temporal'] ?? 0,
      uiPort: ports['temporalUi'] ?? false,
      logFile: logFileOf(layout, 'temporal'),
    });
    await assertPort('temporal', server);
    known.address ??= server.address;
    known.namespace ??= server.namespace;
    if (server.uiUrl !== undefined) {
      known.uiUrl = `${server.uiUrl}/namespaces/${server.namespace}/workflows`;
    }
    return { pid: server.pid, stop: server.stop, signal: signalling(server) };
  });
  return {
    superuserUrl: () => getKnown(known.superuserUrl, 'postgres'),
    temporalAddress: () => getKnown(known.address, 'temporal'),
    temporalNamespace: () => getKnown(known.namespace, 'temporal'),
    temporalUiUrl: () => known.uiUrl,
  };
}

async function startTemporal(options: DevServerOptions): Promise<DevServer> {
  try {
    return await startDevServer(options);
  } catch (error) {
    const { code, message } = error as { code?: unknown; message: string };
    if (code === 'temporal-start-failed' && message.includes('address already in use')) {
      throw new StackError('stack-port-taken', message, { cause: error });
    }
    throw error;
  }
}

/**
 * @param listOthers - processes of the engine that lead groups of their own, as those of Postgres do: a server that stands still
 *   must not answer on the connections that it has.
 */
function signalling(
  engine: { pid: number; kill(): Promise<void> },
  listOthers: () => Promise<readonly number[]> = async () => [],
): (signal: NodeJS.Signals) => Promise<void> {
  return async (signal) => {
    if (signal === 'SIGKILL') {
      await engine.kill();
      return;
    }
    // First the one that would start others.
    process.kill(-engine.pid, signal);
    for (const pid of await listOthers()) signalGroup(pid, signal);
  };
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // It has ended meanwhile.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function getKnown(value: string | undefined, part: string): string {
  if (value === undefined) {
    throw new StackError(
      'stack-part-failed',
      `The ${part} was not started; nothing can be without it.`,
    );
  }
  return value;
}
