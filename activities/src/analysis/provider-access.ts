import type { TextOrSecret } from '../http/http-inputs.ts';
import { isSecretError, NO_SECRETS, type SecretSource } from '../secrets/secret-source.ts';
import { AnalysisProviderError, type ProviderReach } from './analysis-provider.ts';

/** Where a provider is, and how it is asked; secrets are read each time. */
export interface ProviderAccess {
  /** @throws AnalysisProviderError `analysis-provider-down` where a secret is not to be had */
  open(reach: ProviderReach): Promise<OpenedProvider>;
}

/** A provider as it is asked now. */
export interface OpenedProvider {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

/** A provider of the worker's configuration. */
export interface ConfiguredProvider {
  readonly kind: 'prometheus' | 'sql' | 'http';
  /** Base URL; of `sql` the connection string. */
  readonly url: TextOrSecret;
  /** Name of the secret that is sent as bearer token. */
  readonly bearer?: string;
  readonly timeoutSeconds: number;
}

/** Reads secrets in the promotion's environment. */
export function accessOf(
  { url, bearer, timeoutSeconds }: ConfiguredProvider,
  secrets: SecretSource = NO_SECRETS,
): ProviderAccess {
  return {
    open: async ({ tenantId, environment }) => {
      const read = async (name: string): Promise<string> => {
        try {
          return (await secrets.read({ tenantId, environment }, name)).trim();
        } catch (error) {
          if (!isSecretError(error)) throw error;
          throw new AnalysisProviderError('analysis-provider-down', error.message);
        }
      };
      return {
        url: typeof url === 'string' ? url : await read(url.secret),
        headers: bearer === undefined ? {} : { authorization: `Bearer ${await read(bearer)}` },
        timeoutMs: timeoutSeconds * 1000,
      };
    },
  };
}
