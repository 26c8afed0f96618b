import { createTemporalClient, parseCodecKeys } from '@sluice/temporal-client';

type TemporalClient = Awaited<ReturnType<typeof createTemporalClient>>;

/** Asks whether the engine answers; connects when first asked, and again after a failure. */
export function createTemporalCheck(address: string, namespace: string) {
  let connecting: Promise<TemporalClient> | undefined;
  const connect = (): Promise<TemporalClient> => {
    // It reads no payload, so it needs no key.
    const codecKeys = parseCodecKeys({ tenants: {} });
    return createTemporalClient({ address, namespace, codecKeys, connectTimeoutMs: 1500 });
  };
  return {
    /** Rejects when the engine or the namespace is not there. */
    async check(): Promise<void> {
      connecting ??= connect();
      try {
        const { connection } = await connecting;
        await connection.workflowService.describeNamespace({ namespace });
      } catch (error) {
        const failed = connecting;
        connecting = undefined;
        await failed.then(
          ({ connection }) => connection.close(),
          () => undefined,
        );
        throw error;
      }
    },
    async close(): Promise<void> {
      await connecting?.then(
        ({ connection }) => connection.close(),
        () => undefined,
      );
    },
  };
}
