import {
  findMemberState,
  findPromotion,
  findStep,
  findStepLog,
  listLogsOfStep,
  STEP_LOGS_CHANNEL,
  type StepLogRecord,
  stepLogsPayload,
} from '@sluice/persistence';
import { badUserInput } from '../common/bad-user-input.ts';
import { type GraphqlContext, principalOf } from '../common/graphql-context.ts';
import type { GraphqlParts } from '../common/tokens.ts';
import { endable } from '../subscription/endable.ts';
import { StoppingError } from '../subscription/follow-events.ts';
import { type LogPosition, logPositionText } from './log-position.ts';
import { openLog } from './read-log-text.ts';

/** Logs are looked for this often even when no wake-up came. Milliseconds. */
const LOOK_EVERY_MS = 5000;

/** Bytes of one message. */
const MESSAGE_BYTES = 64 * 1024;

/** Of a log that is over, while its messages wait for who follows it. */
const HELD_BYTES = 1024 * 1024;

/** A log whose writer is gone is waited for so long after its step was settled. Milliseconds. */
const GRACE_MS = 30_000;

const UNSETTLED: readonly string[] = ['pending', 'running', 'waiting'];

/** Which logs are followed. */
export interface LogScope {
  readonly promotionId: string;
  readonly stepId: string;
  /** Empty where the step runs once. */
  readonly memberKey: string;
}

/** A piece of a log, with the position behind it. */
export interface LogMessage {
  readonly position: string;
  readonly log: StepLogRecord;
  readonly offset: number;
  readonly text: string;
}

/** What one look finds. */
interface Look {
  /** True when nothing more will be written. */
  readonly isSettled: boolean;
  /** From the one that is read; the next one behind it, where there is one. */
  readonly logs: readonly StepLogRecord[];
}

/**
 * What a step writes, log after log, behind a position: nothing twice, nothing left out. Each log ends with an empty message that has its
 * digest. Ends when the step, or the member, is settled.
 * @throws GraphQLError `BAD_USER_INPUT` for what is not there
 */
export async function followLog(
  context: GraphqlContext,
  parts: Pick<GraphqlParts, 'wakeups' | 'evidence' | 'now'>,
  scope: LogScope,
  after: LogPosition | undefined,
): Promise<AsyncGenerator<LogMessage, void, undefined>> {
  const { promotionId, stepId } = scope;
  await assertThere(context, scope);
  const payload = stepLogsPayload(principalOf(context).tenantId, promotionId, stepId);
  // From here on no wake-up is lost, even those before the first look.
  const ear = parts.wakeups.subscribe(STEP_LOGS_CHANNEL, payload);
  const sources = { inTenant: context.inTenant, evidence: parts.evidence };
  let ended = false;

  async function* follow(): AsyncGenerator<LogMessage, void, undefined> {
    let position = after;
    while (!ended) {
      if (parts.wakeups.isClosed) throw new StoppingError();
      const { isSettled, logs } = await look(context, scope, position, parts.now());
      const log = logs[0];
      if (log === undefined) {
        if (isSettled) return;
        await ear.next(LOOK_EVERY_MS);
        continue;
      }
      let offset = isSame(position, log) ? (position?.offset ?? 0) : 0;
      const reader = openLog(sources, log, HELD_BYTES);
      for (;;) {
        const piece = await reader.read(offset, MESSAGE_BYTES);
        if (ended || piece.nextOffset === offset) break;
        offset = piece.nextOffset;
        position = { log, offset };
        yield { position: logPositionText(position), log, offset: piece.offset, text: piece.text };
      }
      if (ended) return;
      // Its end is told once; one that nobody ended, because a later attempt took over or all is settled, has none.
      const isOver = log.endedAt !== null || logs.length > 1 || isSettled;
      if (!isOver) {
        position = { log, offset };
        await ear.next(LOOK_EVERY_MS);
        continue;
      }
      // What was read was of a moment ago: one that has ended since is read to its end first.
      if (log.endedAt === null && (await hasEnded(context, log))) {
        position = { log, offset };
        continue;
      }
      position = { log, offset: null };
      yield { position: logPositionText(position), log, offset, text: '' };
    }
  }

  return endable(follow(), () => {
    ended = true;
    ear.close();
  });
}

async function hasEnded({ inTenant }: GraphqlContext, log: StepLogRecord): Promise<boolean> {
  const fresh = await inTenant((tx) => findStepLog(tx, log));
  return fresh !== undefined && fresh.endedAt !== null;
}

async function look(
  { inTenant }: GraphqlContext,
  scope: LogScope,
  position: LogPosition | undefined,
  now: number,
): Promise<Look> {
  return inTenant(async (tx) => {
    // Read first: what was written before the end is seen by the second statement.
    const settledAt = await findEnd(tx, scope);
    const found = await listLogsOfStep(tx, { ...scope, from: position?.log, limit: 3 });
    const isDone = position !== undefined && position.offset === null;
    const logs = isDone && isSame(position, found[0]) ? found.slice(1) : found;
    const isLate = settledAt !== null && now - Date.parse(settledAt) > GRACE_MS;
    const isEnded = logs.every(({ endedAt }) => endedAt !== null);
    return { isSettled: settledAt !== null && (isEnded || isLate), logs };
  });
}

/** When the step, or its member, was settled; null while more can come. */
async function findEnd(
  tx: Parameters<typeof findStep>[0],
  { promotionId, stepId, memberKey }: LogScope,
): Promise<string | null> {
  const promotion = await findPromotion(tx, promotionId);
  const endedAt = promotion?.endedAt ?? null;
  const step = await findStep(tx, promotionId, stepId);
  // One that no pipeline had, asked for before the rules were frozen: it never comes.
  if (step === undefined) return endedAt;
  if (endedAt !== null && UNSETTLED.includes(step.state)) return endedAt;
  if (!UNSETTLED.includes(step.state)) return step.endedAt ?? step.startedAt ?? EPOCH;
  if (memberKey === '') return null;
  const member = await findMemberState(tx, { promotionId, stepId, memberKey });
  return member === undefined || UNSETTLED.includes(member.state) ? null : member.endedAt;
}

const EPOCH = new Date(0).toISOString();

function isSame(position: LogPosition | undefined, log: StepLogRecord | undefined): boolean {
  const known = position?.log;
  return (
    known?.round === log?.round && known?.stream === log?.stream && known?.attempt === log?.attempt
  );
}

async function assertThere(
  { inTenant }: GraphqlContext,
  { promotionId, stepId }: LogScope,
): Promise<void> {
  const { promotion, step } = await inTenant(async (tx) => ({
    promotion: await findPromotion(tx, promotionId),
    step: await findStep(tx, promotionId, stepId),
  }));
  if (promotion === undefined) {
    throw badUserInput(
      `promotion: there is no promotion ${promotionId}; list promotions.`,
      'promotion',
    );
  }
  // Before it began, the steps of a team's pipeline are not known.
  if (step !== undefined || promotion.rules === null) return;
  throw badUserInput(`step: ${promotionId} has no step ${stepId}; ask for its steps.`, 'step');
}
