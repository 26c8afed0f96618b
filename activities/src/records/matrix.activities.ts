import { isRollout, type JsonValue, MAX_MATRIX_MEMBERS, type ResolvedMatrix } from '@sluice/domain';
import type { EvidenceStore } from '@sluice/evidence-store';
import {
  assertPromotionOpen,
  findBegunRound,
  findNewestRound,
  insertMembers,
  listMemberKeys,
  type MemberRecord,
  noteExecution,
  readTargetLabels,
  settleMembers,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import { resolveReference } from '@sluice/pure';
import {
  type ExpandedMatrix,
  FAILURES,
  type InterpreterActivities,
  MAX_MEMBERS_IN_ROOT,
  MAX_SHARD_MEMBERS,
  MAX_STEPS_A_RECORD,
  type ShardActivities,
  WORKFLOWS,
} from '@sluice/temporal-contract';
import { ApplicationFailure } from '@temporalio/common';
import type { ActivityDependencies } from '../dependencies.ts';
import { activityFailure } from '../failures.ts';
import { addRollout } from '../rollout/expanded-rollout.ts';
import { layOutMembers } from '../rollout/lay-out-members.ts';
import { runActivity } from '../run-activity.ts';
import type { FrozenCourses, FrozenPromotion } from '../step/frozen-course.ts';
import { findLargeValueCode } from '../step/large-values.ts';
import { readScope } from '../step/step-scope.ts';

type NewMember = Pick<MemberRecord, 'key' | 'target' | 'value'>;
type MatrixActivities = Pick<InterpreterActivities, 'expandMatrix'> & ShardActivities;

/** Values of all members of one matrix together. Bytes of JSON. */
const MAX_VALUES_BYTES = 16 * 1024 * 1024;

/** `expandMatrix`, `recordMembers` and `readMembers`. */
export function createMatrixActivities(
  parts: Pick<ActivityDependencies, 'pool' | 'evidence' | 'logger' | 'scope' | 'observe'>,
  courses: FrozenCourses,
): MatrixActivities {
  return {
    expandMatrix: ({ promotion: { tenantId, promotionId }, stepId, round = 1, newestRound }) =>
      runActivity(parts, 'expandMatrix', { tenantId, promotionId, stepId }, () =>
        withTenant(parts.pool, tenantId, async (tx) => {
          await assertPromotionOpen(tx, promotionId);
          const frozen = await courses.read(tx, promotionId);
          const step = await courses.readStep(tx, frozen.rules, stepId);
          const { course } = step;
          if (course.matrix === undefined) throw invalid(`Step ${stepId} has no matrix.`);
          const isOverTargets = 'targets' in course.matrix.over;
          const withLayout = isRollout(course.type) ? addRollout : addNothing;
          if (newestRound === true) {
            const newest = await readNewest(tx, { promotionId, stepId }, isOverTargets);
            return withLayout(tx, newest, { promotionId, stepId, round: newest.round ?? round });
          }
          const set = { promotionId, stepId, round };
          const all = { from: 0, to: MAX_MATRIX_MEMBERS };
          const known = await listMemberKeys(tx, set, all);
          if (known.length > 0) return withLayout(tx, expandedOf(known, isOverTargets), set);
          const found = await findMembers(tx, parts.evidence, frozen, stepId, course.matrix);
          const members = isRollout(course.type)
            ? await layOutMembers(tx, parts.evidence, frozen, step, set, found)
            : found;
          await insertMembers(tx, set, members);
          return withLayout(tx, expandedOf(await listMemberKeys(tx, set, all), isOverTargets), set);
        }),
      ),

    recordMembers: ({ promotion: { tenantId, promotionId }, stepId, round = 1, members }) =>
      runActivity(parts, 'recordMembers', { tenantId, promotionId, stepId }, () =>
        withTenant(parts.pool, tenantId, async (tx) => {
          if (members.length === 0) return;
          if (members.length > MAX_STEPS_A_RECORD) {
            throw invalid(`${members.length} members; at most ${MAX_STEPS_A_RECORD} at a time.`);
          }
          const set = { promotionId, stepId, round };
          const from = Math.min(...members.map(({ index }) => index));
          const to = 1 + Math.max(...members.map(({ index }) => index));
          const keys = await listMemberKeys(tx, set, { from, to });
          const settled = members.map(({ index, outcome, reason }) => {
            const key = keys[index - from];
            if (key === undefined) throw invalid(`Step ${stepId} has no member ${index}.`);
            return { key, state: outcome, reason };
          });
          await settleMembers(tx, set, settled);
        }),
      ),

    readMembers: ({ promotion: { tenantId, promotionId }, stepId, round = 1, from, to }) =>
      runActivity(parts, 'readMembers', { tenantId, promotionId, stepId }, (_log, { workflowId }) =>
        withTenant(parts.pool, tenantId, async (tx) => {
          if (to - from > MAX_SHARD_MEMBERS) {
            throw invalid(`${to - from} members; at most ${MAX_SHARD_MEMBERS} at a time.`);
          }
          // Nobody asked for a shard but its promotion, and its history is kept like any other.
          await noteExecution(tx, workflowId, WORKFLOWS.runShard);
          const keys = await listMemberKeys(tx, { promotionId, stepId, round }, { from, to });
          if (keys.length === to - from) return keys;
          throw activityFailure(
            FAILURES.integrity,
            `Step ${stepId} of ${promotionId} has ${keys.length} members from ${from} to ${to} in round ${round}.`,
          );
        }),
      ),
  };
}

function addNothing(_tx: Tx, expanded: ExpandedMatrix): Promise<ExpandedMatrix> {
  return Promise.resolve(expanded);
}

/** Members of the newest round in which any has begun; where none has, of the newest. */
async function readNewest(
  tx: Tx,
  step: { readonly promotionId: string; readonly stepId: string },
  isOverTargets: boolean,
): Promise<ExpandedMatrix> {
  const round = (await findBegunRound(tx, step)) ?? (await findNewestRound(tx, step));
  const keys = await listMemberKeys(tx, { ...step, round }, { from: 0, to: MAX_MATRIX_MEMBERS });
  const expanded = expandedOf(keys, isOverTargets);
  return keys.length === 0 ? expanded : { ...expanded, round };
}

function expandedOf(keys: readonly string[], isOverTargets: boolean): ExpandedMatrix {
  const count = keys.length;
  return { count, isOverTargets, ...(count > MAX_MEMBERS_IN_ROOT ? {} : { keys }) };
}

async function findMembers(
  tx: Tx,
  evidence: EvidenceStore,
  frozen: FrozenPromotion,
  stepId: string,
  { over }: ResolvedMatrix,
): Promise<readonly NewMember[]> {
  if ('targets' in over) return targetMembers(tx, frozen, over.targets);
  const values =
    'values' in over
      ? (over.values as readonly JsonValue[])
      : await readList(tx, evidence, frozen, stepId, over.ref);
  if (values.length > MAX_MATRIX_MEMBERS) {
    throw invalid(
      `The matrix of step ${stepId} has ${values.length} members; at most ${MAX_MATRIX_MEMBERS} are taken: make several steps of it.`,
    );
  }
  const size = Buffer.byteLength(JSON.stringify(values));
  if (size > MAX_VALUES_BYTES) {
    throw invalid(
      `The members of the matrix of step ${stepId} are ${size} bytes together; at most ${MAX_VALUES_BYTES} are taken: give digests in their place.`,
    );
  }
  return values.map((value, index) => ({ key: String(index), target: null, value }));
}

/** The frozen targets whose labels of then fit, by name. */
async function targetMembers(
  tx: Tx,
  { promotion, rules }: FrozenPromotion,
  wanted: Readonly<Record<string, string>>,
): Promise<readonly NewMember[]> {
  const labels = await readTargetLabels(tx, promotion.promotionId);
  return rules.targets.flatMap((name) => {
    const own = labels[name] ?? {};
    const fits = Object.entries(wanted).every(([label, value]) => own[label] === value);
    return fits ? [{ key: name, target: name, value: { name, labels: own } }] : [];
  });
}

async function readList(
  tx: Tx,
  evidence: EvidenceStore,
  frozen: FrozenPromotion,
  stepId: string,
  ref: string,
): Promise<readonly JsonValue[]> {
  const scope = await readScope(tx, evidence, frozen, [ref.split('.')]).catch(refuseLarge);
  const found = resolveReference(`The matrix of step ${stepId}`, ref, scope);
  if (!found.ok) throw invalid(found.message);
  if (Array.isArray(found.value)) return found.value as readonly JsonValue[];
  throw invalid(
    `The matrix of step ${stepId} goes over ${ref}, and that is no list: name an output or a parameter that is one.`,
  );
}

/** The code of a value by reference that cannot be read is the reason's. */
function refuseLarge(error: unknown): never {
  const code = findLargeValueCode(error);
  if (code === undefined) throw error;
  const { message } = error as Error;
  throw ApplicationFailure.create({ type: code, message, nonRetryable: true });
}

function invalid(message: string): Error {
  return activityFailure(FAILURES.invalidInput, message);
}
