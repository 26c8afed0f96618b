import { startDevServer } from '@sluice/temporal-server';
import { startEmbeddedPostgres } from '../embedded-postgres/start-embedded-postgres.ts';
import { getTool } from '../tools/get-tool.ts';
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
};

/**
 * Declares the parts `postgres` and `temporal`. Each of the returned functions throws
 * `stack-part-failed` until its part was started.
 */
export function declareEngines(
  options: StackOptions,
  layout: StackLayout,
  parts: StackParts,
  ports: StackPorts,
): Engines {
  const known: { superuserUrl?: string; address?: string; namespace?: string } = {};
  // Everything else is configured with the first port, so a part that comes back must come back
  // there.
  const assertPort = (name: string, port: number, isFirst: boolean): void => {
    if (!isFirst && port !== ports[name]) {
      throw new StackError(
        'stack-port-lost',
        `${name} could not come back on port ${ports[name]}, for something else listens there now; end that and start it again.`,
      );
    }
  };
  parts.add('postgres', async () => {
    const postgres = await startEmbeddedPostgres({
      dataDir: layout.postgresDir,
      port: ports['postgres'] ?? 0,
      logFile: logFileOf(layout, 'postgres'),
      ...(options.postgresSettings === undefined ? {} : { settings: options.postgresSettings }),
    });
    assertPort('postgres', postgres.port, known.superuserUrl === undefined);
    known.superuserUrl ??= postgres.superuserUrl;
    return { pid: postgres.pid, stop: postgres.stop, signal: signalling(postgres) };
  });
  parts.add('temporal', async () => {
    const server = await startDevServer({
      executable: options.temporalExecutable ?? (await getTool('temporal')).path,
      dbFile: layout.temporalDb,
      port: ports['temporal'] ?? 0,
      uiPort: ports['temporalUi'] ?? false,
      logFile: logFileOf(layout, 'temporal'),
    });
    assertPort('temporal', server.port, known.address === undefined);
    known.address ??= server.address;
    known.namespace ??= server.namespace;
    return { pid: server.pid, stop: server.stop, signal: signalling(server) };
  });
  return {
    superuserUrl: () => getKnown(known.superuserUrl, 'postgres'),
    temporalAddress: () => getKnown(known.address, 'temporal'),
    temporalNamespace: () => getKnown(known.namespace, 'temporal'),
  };
}

function signalling(engine: {
  pid: number;
  kill(): Promise<void>;
}): (signal: NodeJS.Signals) => Promise<void> {
  return async (signal) => {
    if (signal === 'SIGKILL') {
      await engine.kill();
    } else {
      process.kill(-engine.pid, signal);
    }
  };
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
