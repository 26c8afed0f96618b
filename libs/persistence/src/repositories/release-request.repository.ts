import type { Tx } from '../transaction.ts';
import { existing, firstOf, type ReasonRecord, reasonColumn } from './single-row.ts';
import { storableText } from './storable.ts';

/** A request to make a release. `body` is what was asked for, as the API composed it. */
export interface ReleaseRequestRecord {
  readonly requestId: string;
  readonly state: 'resolving' | 'created' | 'refused';
  readonly body: Readonly<Record<string, unknown>>;
  /** Set exactly when `created`. */
  readonly releaseDigest: string | null;
  /** Set exactly when `refused`. */
  readonly refusal: ReasonRecord | null;
  readonly requestedBy: string;
  readonly traceId: string | null;
  readonly createdAt: string;
  readonly settledAt: string | null;
}

/** Notified with `<tenant>/<request id>` when a request is settled: it only wakes who waits for the row. */
export const RELEASE_REQUESTS_CHANNEL = 'sluice_release_requests';

const COLUMNS = `request_id as "requestId", state, body, release_digest as "releaseDigest",
  ${reasonColumn('refusal_code', 'refusal_message', 'refusal')},
  requested_by as "requestedBy", trace_id as "traceId", created_at as "createdAt", settled_at as "settledAt"`;

/** Stores a request in the state `resolving`. */
export async function insertReleaseRequest(
  tx: Tx,
  input: Pick<ReleaseRequestRecord, 'requestId' | 'body' | 'requestedBy' | 'traceId'>,
): Promise<ReleaseRequestRecord> {
  const { rows } = await tx.query<ReleaseRequestRecord>(
    `insert into sluice.release_requests (tenant_id, request_id, state, body, requested_by, trace_id)
     values ($1, $2, 'resolving', $3, $4, $5)
     returning ${COLUMNS}`,
    [tx.tenantId, input.requestId, JSON.stringify(input.body), input.requestedBy, input.traceId],
  );
  return existing(rows[0], `release request ${input.requestId}`, tx.tenantId);
}

/** A request by its id. */
export async function findReleaseRequest(
  tx: Tx,
  requestId: string,
): Promise<ReleaseRequestRecord | undefined> {
  return firstOf(
    await tx.query<ReleaseRequestRecord>(
      `select ${COLUMNS} from sluice.release_requests where tenant_id = $1 and request_id = $2`,
      [tx.tenantId, requestId],
    ),
  );
}

/** A request by its id; throws `not-found`. */
export async function getReleaseRequest(tx: Tx, requestId: string): Promise<ReleaseRequestRecord> {
  const row = await findReleaseRequest(tx, requestId);
  return existing(row, `release request ${requestId}`, tx.tenantId);
}

/** How a request ended. */
export type ReleaseRequestOutcome =
  | { readonly state: 'created'; readonly releaseDigest: string }
  | { readonly state: 'refused'; readonly code: string; readonly message: string };

/**
 * Writes how a request ended and tells {@link RELEASE_REQUESTS_CHANNEL}. The first answer stays: false when
 * it was settled before.
 */
export async function settleReleaseRequest(
  tx: Tx,
  requestId: string,
  outcome: ReleaseRequestOutcome,
): Promise<boolean> {
  const created = outcome.state === 'created';
  const { rowCount } = await tx.query(
    `with settled as (
       update sluice.release_requests
          set state = $3, release_digest = $4, refusal_code = $5, refusal_message = $6, settled_at = now()
        where tenant_id = $1 and request_id = $2 and state = 'resolving'
        returning request_id)
     select pg_notify('${RELEASE_REQUESTS_CHANNEL}', $1 || '/' || request_id) from settled`,
    [
      tx.tenantId,
      requestId,
      outcome.state,
      created ? outcome.releaseDigest : null,
      created ? null : outcome.code,
      created ? null : storableText(outcome.message),
    ],
  );
  if (rowCount === 1) return true;
  await getReleaseRequest(tx, requestId);
  return false;
}
