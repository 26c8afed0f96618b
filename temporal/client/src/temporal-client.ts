import { Client, Connection } from '@temporalio/client';
import { createClientInterceptor } from './client-tracing.ts';
import type { CodecKeys } from './codec-keys.ts';
import { createDataConverter } from './data-converter.ts';

/** Where the engine is and how payloads are sealed for it. */
export interface TemporalClientOptions {
  /** `host:port` of the frontend. */
  readonly address: string;
  readonly namespace: string;
  readonly codecKeys: CodecKeys;
  /** Milliseconds until connecting counts as failed; 10 s when absent. */
  readonly connectTimeoutMs?: number;
}

/**
 * Connects to the engine; calls inside of a span carry its trace. Close it by `client.connection.close()`.
 * @throws Error naming the address when the engine does not answer in time
 */
export async function createTemporalClient(options: TemporalClientOptions): Promise<Client> {
  const { address, namespace, codecKeys, connectTimeoutMs = 10_000 } = options;
  const connection = await Connection.connect({ address, connectTimeout: connectTimeoutMs }).catch(
    (cause: unknown) => {
      throw new Error(
        `Temporal at ${address} does not answer; start it, or set SLUICE_TEMPORAL_ADDRESS.`,
        { cause },
      );
    },
  );
  return new Client({
    connection,
    namespace,
    dataConverter: createDataConverter(codecKeys),
    interceptors: { workflow: [createClientInterceptor()] },
  });
}
