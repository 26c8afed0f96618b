import type { Tx } from '../transaction.ts';
import { existing, firstOf } from './single-row.ts';

/** One version of a policy: which bundle it is. */
export interface PolicyRecord {
  readonly name: string;
  readonly version: number;
  readonly policyDigest: string;
}

/** A configured place where images are found. */
export interface SourceRecord {
  readonly name: string;
  readonly kind: 'oci-layout';
  /** Absolute path of the layout folder on the worker. */
  readonly location: string;
}

/** The newest version of a policy. */
export async function findPolicy(tx: Tx, name: string): Promise<PolicyRecord | undefined> {
  return firstOf(
    await tx.query<PolicyRecord>(
      `select policy_id as name, version, policy_digest as "policyDigest" from sluice.policies
        where tenant_id = $1 and policy_id = $2
        order by version desc
        limit 1`,
      [tx.tenantId, name],
    ),
  );
}

/** The newest version of a policy; throws `not-found`. */
export async function getPolicy(tx: Tx, name: string): Promise<PolicyRecord> {
  return existing(await findPolicy(tx, name), `policy ${name}`, tx.tenantId);
}

/** A source that the configuration names. */
export async function findSource(tx: Tx, name: string): Promise<SourceRecord | undefined> {
  return firstOf(
    await tx.query<SourceRecord>(
      `select source_id as name, kind, location from sluice.sources
        where tenant_id = $1 and source_id = $2 and removed_at is null`,
      [tx.tenantId, name],
    ),
  );
}

/** A source that the configuration names; throws `not-found`. */
export async function getSource(tx: Tx, name: string): Promise<SourceRecord> {
  return existing(await findSource(tx, name), `source ${name}`, tx.tenantId);
}
