import type {
  JsonValue,
  RolloutLayout,
  RolloutState,
  RolloutStrategy,
  RouteTable,
  StagePhase,
} from '@sluice/domain';
import { PersistenceError } from '../persistence-error.ts';
import type { Tx } from '../transaction.ts';
import { existing, firstOf, type ReasonRecord, reasonColumn } from './single-row.ts';
import { storableJson, storableText } from './storable.ts';

/** Names one rollout: a step in one round of planning. */
export interface RolloutKey {
  readonly promotionId: string;
  readonly stepId: string;
  /** From 1. */
  readonly round: number;
}

/** A layout as it is stored: with the names that the indices of its stages mean, in the order of exposure. */
export interface StoredRolloutLayout extends RolloutLayout {
  readonly members: readonly string[];
}

/** How releases reach the targets of one step, and where that stands. */
export interface RolloutRecord extends RolloutKey {
  readonly strategy: RolloutStrategy;
  readonly layout: StoredRolloutLayout;
  /** As they were found: metrics, matches and the like. */
  readonly inputs: Readonly<Record<string, JsonValue>>;
  readonly state: RolloutState;
  /** Index of the stage. */
  readonly stage: number;
  readonly phase: StagePhase;
  /** Why it is paused or ended badly. */
  readonly reason: ReasonRecord | null;
  /** Where requests went before it; null where no router had a table. */
  readonly routeBefore: RouteTable | null;
  readonly startedAt: string;
  /** When its position last changed. */
  readonly changedAt: string;
  readonly endedAt: string | null;
}

/** Where a rollout is to stand. */
export type RolloutPositionRecord = Pick<RolloutRecord, 'state' | 'stage' | 'phase' | 'reason'>;

/** Rollouts of one answer of {@link listRolloutsOf}, of one promotion: as many steps can have one. */
export const MAX_ROLLOUTS_A_PROMOTION = 50;

/** Open rollouts of one answer of {@link listOpenRollouts}. */
export const MAX_OPEN_ROLLOUTS = 1000;

const COLUMNS = `r.promotion_id as "promotionId", r.step_id as "stepId", r.round, r.strategy, r.layout, r.inputs, r.state,
  r.stage, r.phase, ${reasonColumn('r.reason_code', 'r.reason_message', 'reason')}, r.route_before as "routeBefore",
  r.started_at as "startedAt", r.changed_at as "changedAt", r.ended_at as "endedAt"`;

/** Of each step only its newest round: what an earlier one laid out is over. */
const IS_NEWEST = `not exists (
  select from sluice.rollouts n
   where n.tenant_id = r.tenant_id and n.promotion_id = r.promotion_id and n.step_id = r.step_id and n.round > r.round)`;

/**
 * Stores a rollout that runs, at its first stage, once: what was stored first under its key comes back, `inserted` says
 * whether it is this one. For the role sluice_worker only.
 */
export async function insertRollout(
  tx: Tx,
  input: RolloutKey & Pick<RolloutRecord, 'strategy' | 'layout' | 'inputs' | 'routeBefore'>,
): Promise<{ readonly inserted: boolean; readonly rollout: RolloutRecord }> {
  const { rowCount } = await tx.query(
    `insert into sluice.rollouts (tenant_id, promotion_id, step_id, round, strategy, layout, inputs, route_before)
     values ($1, $2, $3, $4, $5, $6, $7, $8)
     on conflict (tenant_id, promotion_id, step_id, round) do nothing`,
    [
      tx.tenantId,
      input.promotionId,
      input.stepId,
      input.round,
      input.strategy,
      JSON.stringify(input.layout),
      storableJson(input.inputs),
      input.routeBefore === null ? null : JSON.stringify(input.routeBefore),
    ],
  );
  return { inserted: rowCount === 1, rollout: await getRollout(tx, input) };
}

/** One rollout; the newest round of the step where none is named. */
export async function findRollout(
  tx: Tx,
  key: Omit<RolloutKey, 'round'> & { readonly round?: number | undefined },
): Promise<RolloutRecord | undefined> {
  return firstOf(
    await tx.query<RolloutRecord>(
      `select ${COLUMNS} from sluice.rollouts r
        where r.tenant_id = $1 and r.promotion_id = $2 and r.step_id = $3 and r.round = coalesce($4::integer, r.round)
        order by r.round desc
        limit 1`,
      [tx.tenantId, key.promotionId, key.stepId, key.round ?? null],
    ),
  );
}

/** One rollout. Throws `not-found`. */
export async function getRollout(tx: Tx, key: RolloutKey): Promise<RolloutRecord> {
  const found = await findRollout(tx, key);
  return existing(found, nameOf(key), tx.tenantId);
}

/**
 * Notes where a rollout stands; true when that changed. A stage is never gone back to, and an end is left only by a run after a reset, which
 * goes on or pauses: all else throws `illegal-transition`, and `not-found` for no rollout. For the role sluice_worker only.
 */
export async function setRolloutPosition(
  tx: Tx,
  key: RolloutKey,
  at: RolloutPositionRecord,
): Promise<boolean> {
  const { rows } = await tx.query<Omit<RolloutPositionRecord, 'reason'> & { code: string | null }>(
    `select state, stage, phase, reason_code as code from sluice.rollouts
      where tenant_id = $1 and promotion_id = $2 and step_id = $3 and round = $4
      for no key update`,
    [tx.tenantId, key.promotionId, key.stepId, key.round],
  );
  const from = existing(rows[0], nameOf(key), tx.tenantId);
  const isSame =
    from.state === at.state &&
    from.stage === at.stage &&
    from.phase === at.phase &&
    from.code === (at.reason?.code ?? null);
  if (isSame) return false;
  if ((hasEnded(from.state) && hasEnded(at.state)) || at.stage < from.stage) {
    throw new PersistenceError(
      'illegal-transition',
      `The ${nameOf(key)} is ${from.state} at stage ${from.stage} and cannot become ${at.state} at stage ${at.stage}: read it again.`,
    );
  }
  await tx.query(
    `update sluice.rollouts
        set state = $5, stage = $6, phase = $7, reason_code = $8, reason_message = $9, changed_at = now(),
            ended_at = case when $10 then now() end
      where tenant_id = $1 and promotion_id = $2 and step_id = $3 and round = $4`,
    [
      tx.tenantId,
      key.promotionId,
      key.stepId,
      key.round,
      at.state,
      at.stage,
      at.phase,
      at.reason?.code ?? null,
      at.reason === null ? null : storableText(at.reason.message),
      hasEnded(at.state),
    ],
  );
  return true;
}

/** The rollouts of these promotions, each step's newest round, in the order in which they began: for a batch loader. */
export async function listRolloutsOf(
  tx: Tx,
  promotionIds: readonly string[],
): Promise<readonly RolloutRecord[]> {
  const { rows } = await tx.query<RolloutRecord>(
    `select k.* from unnest($2::text[]) as p(id)
      cross join lateral (
        select ${COLUMNS} from sluice.rollouts r
         where r.tenant_id = $1 and r.promotion_id = p.id and ${IS_NEWEST}
         order by r.started_at, r.step_id
         limit ${MAX_ROLLOUTS_A_PROMOTION}) k
      order by "promotionId", "startedAt", "stepId"`,
    [tx.tenantId, [...new Set(promotionIds)]],
  );
  return rows;
}

/**
 * Rollouts that have not ended, of promotions that have not, longest unchanged first; of one environment where it is named. At most
 * {@link MAX_OPEN_ROLLOUTS}.
 */
export async function listOpenRollouts(
  tx: Tx,
  environment?: string | undefined,
): Promise<readonly RolloutRecord[]> {
  const { rows } = await tx.query<RolloutRecord>(
    `select ${COLUMNS} from sluice.rollouts r
       join sluice.promotions p on p.tenant_id = r.tenant_id and p.promotion_id = r.promotion_id
      where r.tenant_id = $1 and r.ended_at is null and p.ended_at is null and p.environment_id = coalesce($2, p.environment_id)
        and ${IS_NEWEST}
      order by r.changed_at, r.promotion_id, r.step_id
      limit ${MAX_OPEN_ROLLOUTS}`,
    [tx.tenantId, environment ?? null],
  );
  return rows;
}

/** Whether a rollout of this state is over. */
export function hasEnded(state: RolloutState): boolean {
  return state !== 'running' && state !== 'paused';
}

function nameOf({ promotionId, stepId, round }: RolloutKey): string {
  return `rollout of step ${stepId} of ${promotionId} in round ${round}`;
}
