import { PersistenceError } from '../persistence-error.ts';
import type { Tx } from '../transaction.ts';
import { existing, firstOf, type ReasonRecord, reasonColumn } from './single-row.ts';
import { storableText } from './storable.ts';

/** Where one target's part of a promotion is. */
export type DeploymentState =
  | 'planned'
  | 'dispatched'
  | 'confirmed'
  | 'reverted'
  | 'refused'
  | 'lost';

/** One target's part of a promotion. */
export interface DeploymentRecord {
  readonly promotionId: string;
  readonly target: string;
  readonly planDigest: string;
  readonly state: DeploymentState;
  readonly failure: ReasonRecord | null;
  readonly createdAt: string;
  readonly settledAt: string | null;
}

const COLUMNS = `promotion_id as "promotionId", target_id as target, plan_digest as "planDigest", state,
  ${reasonColumn('failure_code', 'failure_message', 'failure')},
  created_at as "createdAt", settled_at as "settledAt"`;

/** Every allowed change. A lost agent's late report still counts; what was confirmed can be put back. */
const TRANSITIONS: Readonly<Record<DeploymentState, readonly DeploymentState[]>> = {
  planned: ['dispatched', 'refused', 'lost'],
  dispatched: ['confirmed', 'reverted', 'refused', 'lost'],
  confirmed: ['reverted', 'lost'],
  lost: ['confirmed', 'reverted', 'refused'],
  refused: ['reverted'],
  reverted: [],
};

/**
 * Stores a target's part as `planned`, or renews its plan while nothing was touched: one that is planned, and one that
 * the agent refused, which is planned again. What was dispatched stays as it is. The record that stands now comes back.
 */
export async function upsertDeployment(
  tx: Tx,
  input: { readonly promotionId: string; readonly target: string; readonly planDigest: string },
): Promise<DeploymentRecord> {
  const { rows } = await tx.query<DeploymentRecord>(
    `insert into sluice.deployments as d (tenant_id, promotion_id, target_id, plan_digest, state)
     values ($1, $2, $3, $4, 'planned')
     on conflict (tenant_id, promotion_id, target_id) do update
       set plan_digest = excluded.plan_digest, state = 'planned', failure_code = null, failure_message = null,
           settled_at = null
     where d.state in ('planned', 'refused')
     returning ${COLUMNS}`,
    [tx.tenantId, input.promotionId, input.target, input.planDigest],
  );
  const stored = rows[0] ?? (await findDeployment(tx, input.promotionId, input.target));
  return existing(stored, `deployment of ${input.promotionId}`, tx.tenantId);
}

/** {@link upsertDeployment} of several targets, each named once. */
export async function upsertDeployments(
  tx: Tx,
  promotionId: string,
  parts: readonly { readonly target: string; readonly planDigest: string }[],
): Promise<void> {
  await tx.query(
    `insert into sluice.deployments as d (tenant_id, promotion_id, target_id, plan_digest, state)
     select $1, $2, n.target, n.plan, 'planned' from unnest($3::text[], $4::text[]) as n(target, plan)
     on conflict (tenant_id, promotion_id, target_id) do update
       set plan_digest = excluded.plan_digest, state = 'planned', failure_code = null, failure_message = null,
           settled_at = null
     where d.state in ('planned', 'refused')`,
    [
      tx.tenantId,
      promotionId,
      parts.map(({ target }) => target),
      parts.map(({ planDigest }) => planDigest),
    ],
  );
}

/**
 * Changes the state of a target's part; true when it changed, false when it was in this state already.
 * Throws `illegal-transition` or `not-found`.
 */
export async function setDeploymentState(
  tx: Tx,
  input: {
    readonly promotionId: string;
    readonly target: string;
    readonly state: DeploymentState;
    readonly failure?: ReasonRecord | null;
  },
): Promise<boolean> {
  const { promotionId, target, state } = input;
  const current = await tx.query<{ state: DeploymentState }>(
    `select state from sluice.deployments
      where tenant_id = $1 and promotion_id = $2 and target_id = $3
      for no key update`,
    [tx.tenantId, promotionId, target],
  );
  const what = `deployment of ${promotionId} on ${target}`;
  const from = existing(current.rows[0], what, tx.tenantId).state;
  if (from === state) return false;
  if (!TRANSITIONS[from].includes(state)) {
    throw new PersistenceError(
      'illegal-transition',
      `The ${what} is ${from} and cannot become ${state}: read it again.`,
    );
  }
  await tx.query(
    `update sluice.deployments
        set state = $4, failure_code = $5, failure_message = $6,
            settled_at = case when $4 in ('planned', 'dispatched') then null else now() end
      where tenant_id = $1 and promotion_id = $2 and target_id = $3`,
    [
      tx.tenantId,
      promotionId,
      target,
      state,
      input.failure?.code ?? null,
      input.failure ? storableText(input.failure.message) : null,
    ],
  );
  return true;
}

/** Notes that the agents of these targets never said how it ended; what has an end, or is not there, stays as it is. */
export async function loseDeployments(
  tx: Tx,
  promotionId: string,
  lost: readonly { readonly target: string; readonly failure: ReasonRecord }[],
): Promise<void> {
  await tx.query(
    `update sluice.deployments d
        set state = 'lost', failure_code = n.code, failure_message = n.message, settled_at = now()
       from unnest($3::text[], $4::text[], $5::text[]) as n(target, code, message)
      where d.tenant_id = $1 and d.promotion_id = $2 and d.target_id = n.target and d.state = 'dispatched'`,
    [
      tx.tenantId,
      promotionId,
      lost.map(({ target }) => target),
      lost.map(({ failure }) => failure.code),
      lost.map(({ failure }) => storableText(failure.message)),
    ],
  );
}

/** One target's part of a promotion. */
export async function findDeployment(
  tx: Tx,
  promotionId: string,
  target: string,
): Promise<DeploymentRecord | undefined> {
  return firstOf(
    await tx.query<DeploymentRecord>(
      `select ${COLUMNS} from sluice.deployments
        where tenant_id = $1 and promotion_id = $2 and target_id = $3`,
      [tx.tenantId, promotionId, target],
    ),
  );
}

/** All parts of a promotion, by target name. */
export async function listDeployments(
  tx: Tx,
  promotionId: string,
): Promise<readonly DeploymentRecord[]> {
  return listDeploymentsOf(tx, [promotionId]);
}

/** All parts of many promotions, by target name: for a batch loader. */
export async function listDeploymentsOf(
  tx: Tx,
  promotionIds: readonly string[],
): Promise<readonly DeploymentRecord[]> {
  const { rows } = await tx.query<DeploymentRecord>(
    `select ${COLUMNS} from sluice.deployments
      where tenant_id = $1 and promotion_id = any($2)
      order by promotion_id, target_id`,
    [tx.tenantId, promotionIds],
  );
  return rows;
}
