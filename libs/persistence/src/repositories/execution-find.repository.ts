import type { StepState } from '@sluice/domain';
import type { Tx } from '../transaction.ts';
import { PROMOTION_COLUMNS, type PromotionRecord } from './promotion.repository.ts';
import { firstOf } from './single-row.ts';
import type { MemberRecord, MemberSet } from './step-member.repository.ts';

/** A member as its execution knows it. */
export type ExecutedMember = Pick<MemberRecord, 'index' | 'key' | 'target' | 'value'>;

/** Digests that a step gave, which another one needs. */
export interface GivenDigests {
  readonly stepId: string;
  readonly outputs: Readonly<Record<string, string>>;
}

/** All that the records know of some executions of one promotion before they begin. */
export interface FoundExecutions<Result = unknown> {
  /** Without its rules, which can be large. */
  readonly promotion: PromotionRecord;
  /** Those of the steps asked for that exist, by id. */
  readonly steps: ReadonlyMap<string, GivenDigests & { readonly state: StepState }>;
  /** Those of the members asked for that exist, by key. */
  readonly members: ReadonlyMap<string, ExecutedMember>;
  /** Those of the effects asked for that were done before, by key. */
  readonly effects: ReadonlyMap<string, Result>;
}

const FIND = `select ${PROMOTION_COLUMNS.replace(/\brules,/, 'null as rules,')},
    (select jsonb_agg(jsonb_build_object('stepId', s.step_id, 'state', s.state, 'outputs', s.outputs))
       from sluice.promotion_steps s
      where s.tenant_id = $1 and s.promotion_id = $2 and s.step_id = any($3::text[])) as steps,
    (select jsonb_agg(jsonb_build_object('key', e.idempotency_key, 'result', e.result))
       from sluice.effects e where e.tenant_id = $1 and e.idempotency_key = any($4::text[])) as effects,
    (select jsonb_agg(jsonb_build_object('index', m.member_index, 'key', m.member_key, 'target', m.target_id,
                                         'value', m.value))
       from sluice.step_members m
      where m.tenant_id = $1 and m.promotion_id = $2 and m.step_id = $5 and m.round = $6
        and m.member_key = any($7::text[])) as members
  from sluice.promotions
 where tenant_id = $1 and promotion_id = $2`;

interface FoundRow<Result> extends PromotionRecord {
  readonly steps: readonly (GivenDigests & { readonly state: StepState })[] | null;
  readonly effects: readonly { readonly key: string; readonly result: Result }[] | null;
  readonly members: readonly ExecutedMember[] | null;
}

/** Looks all of that up in one statement; undefined where there is no such promotion. Nothing is locked. */
export async function findExecutions<Result = unknown>(
  tx: Tx,
  promotionId: string,
  wanted: {
    readonly steps: readonly string[];
    readonly effects: readonly string[];
    readonly members?:
      | (Omit<MemberSet, 'promotionId'> & { readonly keys: readonly string[] })
      | undefined;
  },
): Promise<FoundExecutions<Result> | undefined> {
  const { steps, effects, members } = wanted;
  const row = firstOf(
    await tx.query<FoundRow<Result>>(
      FIND,
      [
        ...[tx.tenantId, promotionId, steps, effects],
        ...[members?.stepId ?? null, members?.round ?? null, members?.keys ?? []],
      ],
      'sluice-find-executions',
    ),
  );
  if (row === undefined) return undefined;
  const { steps: found, effects: done, members: known, ...promotion } = row;
  return {
    promotion,
    steps: new Map((found ?? []).map((step) => [step.stepId, step])),
    members: new Map((known ?? []).map((member) => [member.key, member])),
    effects: new Map((done ?? []).map(({ key, result }) => [key, result])),
  };
}
