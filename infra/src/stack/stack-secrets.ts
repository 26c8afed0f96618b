import { createHash, randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PrincipalKind, Role } from '@sluice/domain';
import { ROLES_OF_SLUICE } from '@sluice/persistence';
import type { StackLayout } from './stack-layout.ts';

/** Somebody who may use a stack's API; tokens are generated. */
export type StackPrincipal = {
  readonly name: string;
  readonly role: Role;
  /** A service account needs an owner. */
  readonly kind?: PrincipalKind;
  /** The person behind a service account. */
  readonly owner?: string;
  /** How many tokens they hold; 1 when absent. The second one's name is `<name>#2`. */
  readonly tokens?: number;
};

/** What a stack generated for itself, once. Nothing of it belongs into a log. */
export type StackSecrets = {
  /** Bearer tokens by principal; further ones as `<principal>#2`, `<principal>#3`, … */
  readonly tokens: Readonly<Record<string, string>>;
  /** Passwords of the database roles. */
  readonly databasePasswords: Readonly<Record<string, string>>;
};

/** Generates what is missing (mode 600, in the layout's `keys`), and reads what is there. */
export async function ensureSecrets(
  layout: StackLayout,
  tenant: string,
  principals: readonly StackPrincipal[],
): Promise<StackSecrets> {
  await mkdir(layout.signerKeysDir, { recursive: true });
  await chmod(layout.keysDir, 0o700);
  await chmod(layout.signerKeysDir, 0o700);
  await ensureFile(layout.enrolmentKey, () => `${randomBytes(32).toString('base64')}\n`);
  await ensureFile(layout.codecKeys, () => {
    const key = { keyId: 'k1', key: randomBytes(32).toString('base64') };
    return `${JSON.stringify({ tenants: { [tenant]: key } })}\n`;
  });
  const tokens = await ensureWords(
    join(layout.keysDir, 'tokens.json'),
    principals.flatMap(tokenNamesOf),
  );
  for (const name of principals.flatMap(tokenNamesOf)) {
    await writeFile(tokenFileOf(layout, name), `${tokens[name]}\n`, { mode: 0o600 });
  }
  const databasePasswords = await ensureWords(
    join(layout.keysDir, 'database.json'),
    ROLES_OF_SLUICE,
  );
  return { tokens, databasePasswords };
}

/** Under which names a principal's tokens are kept. */
export function tokenNamesOf({ name, tokens = 1 }: StackPrincipal): readonly string[] {
  return Array.from({ length: tokens }, (_, place) =>
    place === 0 ? name : `${name}#${place + 1}`,
  );
}

/** The file (mode 600) with the token of a principal alone, as the CLI takes it. */
export function tokenFileOf(layout: StackLayout, principal: string): string {
  return join(layout.keysDir, `${principal}.token`);
}

/**
 * What the configuration holds instead of a token: the SHA-256 of its UTF-8 bytes, as `sha256:…`.
 */
export function hashToken(token: string): string {
  return `sha256:${createHash('sha256').update(token, 'utf8').digest('hex')}`;
}

async function ensureWords(
  file: string,
  names: readonly string[],
): Promise<Record<string, string>> {
  const present = JSON.parse(await ensureFile(file, () => '{}\n')) as Record<string, string>;
  const missing = names.filter((name) => present[name] === undefined);
  const all = {
    ...present,
    ...Object.fromEntries(missing.map((name) => [name, randomBytes(24).toString('hex')])),
  };
  if (missing.length > 0) {
    await writeFile(file, `${JSON.stringify(all, null, 2)}\n`, { mode: 0o600 });
  }
  return all;
}

async function ensureFile(file: string, generate: () => string): Promise<string> {
  try {
    await writeFile(file, generate(), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw error;
    }
  }
  return readFile(file, 'utf8');
}
