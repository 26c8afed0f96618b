import type { EvidenceStore } from '@sluice/evidence-store';
import {
  listMemberStates,
  type MemberState,
  type PromotionRecord,
  type Tx,
} from '@sluice/persistence';
import { digestOf } from '@sluice/pure';
import { putDocument, type StoredBlob } from './stored-document.ts';

/** Media type of the members of a step as they are sealed. */
export const STEP_MEMBERS_MEDIA_TYPE = 'application/vnd.sluice.step-members+json';

/** One member as it is sealed. */
type SealedMember = readonly [key: string, state: MemberState, reason: string | null];

/** What became of a step's members; a packet names it by digest, for there can be ten thousand. */
export interface MemberList {
  readonly schema: 'sluice.step-members/v1';
  readonly promotion: string;
  readonly step: string;
  /** Of planning; the last one. */
  readonly round: number;
  /** By index. */
  readonly members: readonly SealedMember[];
}

/** What a promotion statement says of a step's members. */
export interface MemberSummary {
  readonly round: number;
  readonly count: number;
  /** How many are in each state; states of none are left out. */
  readonly states: Readonly<Record<string, number>>;
  /** Of the {@link MemberList} in the evidence store. */
  readonly digest: string;
}

/** The members of every step that has some, as they are once the promotion has ended: what never ran is skipped, what ran is cancelled. */
export async function gatherMembers(
  tx: Tx,
  { promotionId }: Pick<PromotionRecord, 'promotionId'>,
): Promise<readonly MemberList[]> {
  const lists: (Omit<MemberList, 'members'> & { members: SealedMember[] })[] = [];
  for (const { stepId, round, key, state, reason } of await listMemberStates(tx, promotionId)) {
    let list = lists.at(-1);
    if (list?.step !== stepId) {
      list = {
        schema: 'sluice.step-members/v1',
        promotion: promotionId,
        step: stepId,
        round,
        members: [],
      };
      lists.push(list);
    }
    list.members.push([key, closedState(state), reason]);
  }
  return lists;
}

function closedState(state: MemberState): MemberState {
  if (state === 'pending') return 'skipped';
  return state === 'running' ? 'cancelled' : state;
}

/** What the statement says of a step's members; undefined where it has none. */
export function summaryOf(lists: readonly MemberList[], stepId: string): MemberSummary | undefined {
  const list = lists.find(({ step }) => step === stepId);
  if (list === undefined) return undefined;
  const states: Record<string, number> = {};
  for (const [, state] of list.members) states[state] = (states[state] ?? 0) + 1;
  const { round, members } = list;
  return { round, count: members.length, states, digest: digestOf(list) };
}

/** Puts the lists into the evidence store; write their rows afterwards. */
export async function keepMemberLists(
  evidence: EvidenceStore,
  lists: readonly MemberList[],
): Promise<readonly StoredBlob[]> {
  const blobs: StoredBlob[] = [];
  for (const list of lists) blobs.push(await putDocument(evidence, list, STEP_MEMBERS_MEDIA_TYPE));
  return blobs;
}
