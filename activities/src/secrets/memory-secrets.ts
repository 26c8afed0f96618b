import { quoteName, SecretError, type SecretSource, SHARED_SECRETS } from './secret-source.ts';

/**
 * Secrets for tests.
 * @param values `<tenant>/<environment>/<name>` or `<tenant>/_shared/<name>` → value
 */
export function createMemorySecrets(
  values: Readonly<Record<string, string>>,
): SecretSource & { readonly reads: readonly string[] } {
  const reads: string[] = [];
  return {
    reads,
    read: async ({ tenantId, environment }, name) => {
      reads.push(`${tenantId}/${environment}/${name}`);
      for (const folder of [environment, SHARED_SECRETS]) {
        const key = `${tenantId}/${folder}/${name}`;
        const value = Object.hasOwn(values, key) ? values[key] : undefined;
        if (value !== undefined) return value;
      }
      throw new SecretError('secret-unknown', `The secret ${quoteName(name)} is not there.`);
    },
  };
}
