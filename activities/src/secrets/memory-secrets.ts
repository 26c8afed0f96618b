import { quoteName, SecretError, type SecretSource } from './secret-source.ts';

/**
 * Secrets for tests.
 * @param values `<tenant>/<name>` → value
 */
export function createMemorySecrets(
  values: Readonly<Record<string, string>>,
): SecretSource & { readonly reads: readonly string[] } {
  const reads: string[] = [];
  return {
    reads,
    read: async (tenantId, name) => {
      const key = `${tenantId}/${name}`;
      reads.push(key);
      const value = Object.hasOwn(values, key) ? values[key] : undefined;
      if (value !== undefined) return value;
      throw new SecretError('secret-unknown', `The secret ${quoteName(name)} is not there.`);
    },
  };
}
