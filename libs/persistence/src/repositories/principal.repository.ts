import type { Role } from '@sluice/domain';
import type { Queryable } from '../pool.ts';
import { firstOf } from './single-row.ts';

/** Who a token speaks for. */
export interface PrincipalRecord {
  readonly tenantId: string;
  readonly principalId: string;
  readonly role: Role;
}

/**
 * Who a token speaks for, before a tenant is known; undefined for an unknown or disabled one. For the role
 * sluice_app only.
 * @param tokenHash `sha256:…` of the token's bytes
 */
export async function findPrincipalByTokenHash(
  database: Queryable,
  tokenHash: string,
): Promise<PrincipalRecord | undefined> {
  return firstOf(
    await database.query<PrincipalRecord>(
      `select tenant_id as "tenantId", principal_id as "principalId", role from sluice.find_principal($1)`,
      [tokenHash],
    ),
  );
}
