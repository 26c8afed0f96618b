import type { TextOrSecret } from '../http/http-inputs.ts';

/** Where a channel leads. Secrets are named, never held. */
export type NotifyChannel =
  | {
      /** JSON by POST. */
      readonly kind: 'webhook';
      readonly url: TextOrSecret;
      /** Name of the secret that is sent as bearer token. */
      readonly bearer?: string;
      /** Name of the secret that signs the body. */
      readonly hmac?: string;
    }
  | {
      /** Slack's incoming webhooks, and what takes their form. */
      readonly kind: 'slack';
      readonly url: TextOrSecret;
    }
  | {
      /** A line of JSON at the end of a file. */
      readonly kind: 'file';
      /** Absolute. */
      readonly path: string;
    };

/** The channels of a worker's configuration; a tenant has its own. */
export interface NotifyChannels {
  /** Undefined where the tenant has none of that name. */
  find(tenantId: string, name: string): NotifyChannel | undefined;
  /** Names of a tenant's channels, sorted. */
  list(tenantId: string): readonly string[];
  /** True where a channel names a secret. */
  readonly needSecrets: boolean;
}

/**
 * Channels by tenant and name.
 * @param tenants tenant → name → channel
 */
export function createNotifyChannels(
  tenants: Readonly<Record<string, Readonly<Record<string, NotifyChannel>>>>,
): NotifyChannels {
  const known = new Map(
    Object.entries(tenants).map(([tenant, channels]) => [
      tenant,
      new Map(Object.entries(channels)),
    ]),
  );
  const all = [...known.values()].flatMap((channels) => [...channels.values()]);
  return {
    find: (tenantId, name) => known.get(tenantId)?.get(name),
    list: (tenantId) => [...(known.get(tenantId)?.keys() ?? [])].sort(),
    needSecrets: all.some(
      (channel) =>
        channel.kind !== 'file' &&
        (typeof channel.url !== 'string' ||
          (channel.kind === 'webhook' && (channel.bearer ?? channel.hmac) !== undefined)),
    ),
  };
}
