import type { PrincipalKind, Role } from '@sluice/domain';
import type { Queryable } from '../pool.ts';
import type { Tx } from '../transaction.ts';
import { firstOf } from './single-row.ts';

/** Who a token speaks for. */
export interface TokenHolder {
  readonly tenantId: string;
  readonly principalId: string;
  readonly role: Role;
  readonly kind: PrincipalKind;
  /** The person behind the principal: itself, or the owner of a service account. */
  readonly personId: string;
}

/** Somebody whom the configuration names, or named. */
export interface PrincipalRecord {
  readonly principalId: string;
  readonly role: Role;
  readonly kind: PrincipalKind;
  /** The person who answers for a service account; null for a person. */
  readonly ownerId: string | null;
  /** Set when the configuration no longer names it. */
  readonly disabledAt: string | null;
}

/**
 * Who a token speaks for, before a tenant is known; undefined for an unknown or disabled one, and for a service
 * account whose owner is disabled. For the role sluice_app only.
 * @param tokenHash `sha256:…` of the token's bytes
 */
export async function findPrincipalByTokenHash(
  database: Queryable,
  tokenHash: string,
): Promise<TokenHolder | undefined> {
  return firstOf(
    await database.query<TokenHolder>(
      `select tenant_id as "tenantId", principal_id as "principalId", role, kind, person_id as "personId"
         from sluice.find_principal($1)`,
      [tokenHash],
    ),
  );
}

/** A principal by its name, disabled ones too; undefined for one that was never configured. */
export async function findPrincipal(
  tx: Tx,
  principalId: string,
): Promise<PrincipalRecord | undefined> {
  return firstOf(
    await tx.query<PrincipalRecord>(
      `select principal_id as "principalId", role, kind, owner_id as "ownerId", disabled_at as "disabledAt"
         from sluice.principals
        where tenant_id = $1 and principal_id = $2`,
      [tx.tenantId, principalId],
    ),
  );
}
