import type { Queryable } from '../pool.ts';
import type { Tx } from '../transaction.ts';
import { existing, firstOf } from './single-row.ts';

/** The enrolled agent of a target. */
export interface AgentRecord {
  readonly target: string;
  /** `sha256:…` of the public key's SPKI DER bytes. */
  readonly keyId: string;
  /** SPKI PEM. */
  readonly publicKey: string;
  readonly version: string;
  readonly enrolledAt: string;
  readonly lastHeartbeatAt: string | null;
  readonly revokedAt: string | null;
  /** Digest of the release that the agent itself says is active; null for none, and before it said so. */
  readonly activeRelease: string | null;
  /** When it last said so; null before. */
  readonly activeReportedAt: string | null;
}

/** Whose key it is. */
export interface AgentIdentity {
  readonly tenantId: string;
  readonly target: string;
  readonly publicKey: string;
}

const COLUMNS = `target_id as target, key_id as "keyId", public_key as "publicKey", version,
  enrolled_at as "enrolledAt", last_heartbeat_at as "lastHeartbeatAt", revoked_at as "revokedAt",
  active_release as "activeRelease", active_reported_at as "activeReportedAt"`;

/** Uses up an enrolment token; false when it was used before. */
export async function consumeEnrolmentToken(
  tx: Tx,
  input: { readonly tokenId: string; readonly target: string },
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `insert into sluice.enrolment_tokens (tenant_id, token_id, target_id) values ($1, $2, $3)
     on conflict do nothing`,
    [tx.tenantId, input.tokenId, input.target],
  );
  return rowCount === 1;
}

/** Gives a target its agent; an earlier key of the target stops to count. Throws for an unknown target. */
export async function enrolAgent(
  tx: Tx,
  input: Pick<AgentRecord, 'target' | 'keyId' | 'publicKey' | 'version'>,
): Promise<AgentRecord> {
  const { rows } = await tx.query<AgentRecord>(
    `insert into sluice.agents (tenant_id, target_id, key_id, public_key, version)
     select t.tenant_id, t.target_id, $3, $4, $5 from sluice.targets t
      where t.tenant_id = $1 and t.target_id = $2 and t.removed_at is null
     on conflict (tenant_id, target_id) do update
       set key_id = excluded.key_id, public_key = excluded.public_key, version = excluded.version,
           enrolled_at = now(), last_heartbeat_at = null, revoked_at = null, active_release = null,
           active_reported_at = null
     returning ${COLUMNS}`,
    [tx.tenantId, input.target, input.keyId, input.publicKey, input.version],
  );
  return existing(rows[0], `target ${input.target}`, tx.tenantId);
}

/**
 * Whose key this is, before a tenant is known; undefined for an unknown or revoked key, and for one that two
 * targets claim. For the role sluice_app only.
 */
export async function findAgentByKey(
  database: Queryable,
  keyId: string,
): Promise<AgentIdentity | undefined> {
  const { rows } = await database.query<AgentIdentity>(
    `select tenant_id as "tenantId", target_id as target, public_key as "publicKey"
       from sluice.find_agent($1)`,
    [keyId],
  );
  return rows.length === 1 ? rows[0] : undefined;
}

/** The agent of a target; undefined before it enrolled. */
export async function findAgent(tx: Tx, target: string): Promise<AgentRecord | undefined> {
  return firstOf({ rows: await listAgents(tx, [target]) });
}

/** The agents of these targets: for a batch loader. */
export async function listAgents(
  tx: Tx,
  targets: readonly string[],
): Promise<readonly AgentRecord[]> {
  const { rows } = await tx.query<AgentRecord>(
    `select ${COLUMNS} from sluice.agents where tenant_id = $1 and target_id = any($2) order by target_id`,
    [tx.tenantId, targets],
  );
  return rows;
}

/** Notes that an agent is alive, and what it says is active. */
export async function recordHeartbeat(
  tx: Tx,
  input: {
    readonly target: string;
    readonly version: string;
    /** Digest of a release; null for none. */
    readonly activeRelease: string | null;
  },
): Promise<void> {
  await tx.query(
    `update sluice.agents
        set last_heartbeat_at = now(), version = $3, active_release = $4, active_reported_at = now()
      where tenant_id = $1 and target_id = $2 and revoked_at is null`,
    [tx.tenantId, input.target, input.version, input.activeRelease],
  );
}

/** Ends an agent's key at once; false when there is none that counts. */
export async function revokeAgent(tx: Tx, target: string): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update sluice.agents set revoked_at = now()
      where tenant_id = $1 and target_id = $2 and revoked_at is null`,
    [tx.tenantId, target],
  );
  return rowCount === 1;
}

/** Remembers the nonce of a request; false when this key sent it before: a replay. */
export async function rememberNonce(
  tx: Tx,
  input: { readonly keyId: string; readonly nonce: string },
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `insert into sluice.agent_nonces (tenant_id, key_id, nonce) values ($1, $2, $3)
     on conflict do nothing`,
    [tx.tenantId, input.keyId, input.nonce],
  );
  return rowCount === 1;
}

/**
 * Forgets nonces older than this, at most 10,000 at once; gives how many. Keep them longer than the clock
 * skew that a signature may have, on both sides.
 */
export async function forgetNonces(tx: Tx, olderThanSeconds: number): Promise<number> {
  const { rowCount } = await tx.query(
    `delete from sluice.agent_nonces
      where tenant_id = $1 and (key_id, nonce) in (
        select key_id, nonce from sluice.agent_nonces
         where tenant_id = $1 and seen_at < now() - make_interval(secs => $2)
         order by seen_at
         limit 10000)`,
    [tx.tenantId, olderThanSeconds],
  );
  return rowCount;
}
