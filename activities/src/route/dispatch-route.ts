import {
  isPromotionEnd,
  ROUTE_PAYLOAD_SCHEMA,
  type RoutePayload,
  type StepState,
} from '@sluice/domain';
import {
  type CommandRecord,
  findCommandByIdempotencyKey,
  holdStepState,
  insertRouteChange,
  listRouteCommands,
  nextCommandSequence,
  type PromotionRecord,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import { canonicalJson, digestOf } from '@sluice/pure';
import { FAILURES, type StepResult } from '@sluice/temporal-contract';
import type { ActivityScope } from '../activity-scope.ts';
import type { ActivityDependencies } from '../dependencies.ts';
import { storeSignedCommand } from '../deploy/store-command.ts';
import { activityFailure } from '../failures.ts';
import { frozenCoursesOf } from '../step/frozen-course.ts';
import { failedResult, succeededResult } from '../step/step-type.ts';
import { type ComposedRoute, composeRoute, type WantedRoute } from './compose-route.ts';
import { findRouteInForce } from './route-facts.ts';
import { isPuttingBack, nameOfPlace, parseRouteKey, routeKey } from './route-key.ts';

/** Which table a router's agent shall put in force. */
export interface RouteOrder extends WantedRoute {
  readonly tenantId: string;
  /** How long the command is valid. */
  readonly validSeconds: number;
}

/** What is to be waited for, or what came of it already. */
export type RouteDispatch = { readonly command: CommandRecord } | { readonly result: StepResult };

/** A step has them until it has ended: requests are moved before its first target is. */
const OPEN_STATES: readonly StepState[] = ['pending', 'running', 'waiting'];

/** Commands of one promotion to one router that are looked at. */
const MAX_OWN_COMMANDS = 200;

/**
 * Has the signer sign the command that puts a rollout's table in force, and stores it with its change, once for each activity: another attempt finds
 * the stored one. Where that table is in force already, or cannot be, nothing is sent.
 */
export async function dispatchRoute(
  parts: Pick<ActivityDependencies, 'pool' | 'signer' | 'now'>,
  order: RouteOrder,
  scope: ActivityScope,
): Promise<RouteDispatch> {
  const { tenantId, promotion, stepId, round, place } = order;
  const { promotionId } = promotion;
  return withTenant(parts.pool, tenantId, async (tx) => {
    const answer = await composeRoute(tx, frozenCoursesOf(parts.pool), order);
    if (answer.kind === 'nothing') return { result: succeededResult({}) };
    if (answer.kind === 'problem') {
      return { result: failedResult(answer.reason.code, answer.reason.message) };
    }
    const { route } = answer;
    const router = route.router.name;
    const now = (parts.now ?? Date.now)();
    const standing = await findStanding(tx, order, route, scope, now);
    if ('command' in standing || 'result' in standing) return standing;
    // The router's row is locked from here on: what another attempt stored meanwhile is seen now.
    const sequence = await nextCommandSequence(tx, router);
    const raced = await findStanding(tx, order, route, scope, now);
    if ('command' in raced || 'result' in raced) return raced;
    await assertWanted(tx, order);
    const overtaken = await findOvertaken(tx, order, router, scope);
    if (overtaken !== undefined) return { result: overtaken };
    const key = { promotionId, stepId, round, place, router, attempt: raced.attempt };
    const payload = await composeRoutePayload(tx, promotion, order.place, route);
    const command = await storeSignedCommand(
      tx,
      parts,
      {
        tenantId,
        promotion,
        stepId,
        target: router,
        kind: 'route',
        idempotencyKey: routeKey(key),
        sequence,
        planDigest: route.digest,
        payload: canonicalJson(payload),
        releaseDigest: null,
        validSeconds: order.validSeconds,
      },
      scope,
    );
    await insertRouteChange(tx, {
      commandDigest: command.commandDigest,
      router,
      promotionId,
      stepId,
      round,
      stage: route.stage,
      table: route.table,
    });
    return { command };
  });
}

/**
 * What travels beside a route command; worker and signer make it alike. Putting back replaces whatever is in force, and so does what follows on
 * something that nobody knows.
 */
export async function composeRoutePayload(
  tx: Tx,
  promotion: Pick<PromotionRecord, 'traceparent'>,
  place: WantedRoute['place'],
  { router, table }: Pick<ComposedRoute, 'router' | 'table'>,
): Promise<RoutePayload> {
  const inForce = isPuttingBack(place) ? undefined : await findRouteInForce(tx, router.name);
  return {
    schema: ROUTE_PAYLOAD_SCHEMA,
    environment: router.environment,
    router: router.name,
    table,
    ...(inForce === undefined
      ? {}
      : { expects: inForce.table === null ? null : digestOf(inForce.table) }),
    traceparent: promotion.traceparent,
  };
}

/** What stands for this place already; else the number that the next command for it has. */
async function findStanding(
  tx: Tx,
  { promotion, stepId, round, place }: RouteOrder,
  { router: { name: router }, digest }: ComposedRoute,
  { workflowId, runId, activityId }: ActivityScope,
  now: number,
): Promise<RouteDispatch | { readonly attempt: number }> {
  const { promotionId, kind } = promotion;
  const own = await listRouteCommands(tx, { router, promotionId, limit: MAX_OWN_COMMANDS });
  // Nothing was moved: there is nothing to put back, and what is in force is not this promotion's to change.
  if (own.length === 0 && isPuttingBack(place) && kind === 'promote') {
    return { result: succeededResult({}) };
  }
  const before = own.filter(({ idempotencyKey }) => {
    const key = parseRouteKey(promotionId, idempotencyKey);
    return (
      key?.stepId === stepId && key.round === round && nameOfPlace(key.place) === nameOfPlace(place)
    );
  });
  const [newest] = before;
  if (newest !== undefined) {
    const command = await findCommandByIdempotencyKey(tx, newest.idempotencyKey);
    const isOfThis =
      command?.workflowId === workflowId &&
      command.runId === runId &&
      command.activityId === activityId;
    // What was sent after it replaces it: its report says nothing of what this activity asks for.
    const isOpen =
      newest.outcome === null &&
      newest.commandDigest === own[0]?.commandDigest &&
      Date.parse(command?.expiresAt ?? '') > now;
    if (command !== undefined && (isOfThis || (isOpen && digestOf(newest.table) === digest))) {
      return { command };
    }
  }
  const inForce = await findRouteInForce(tx, router);
  if (inForce?.table != null && digestOf(inForce.table) === digest) {
    return { result: succeededResult({ table: digest }) };
  }
  return { attempt: before.length + 1 };
}

/** As with deployments: what the interpreter has ended must not move requests any more. What puts back always may, until the promotion has ended. */
async function assertWanted(tx: Tx, { promotion, stepId, place }: RouteOrder): Promise<void> {
  const { promotionId } = promotion;
  const state = isPuttingBack(place) ? undefined : await holdStepState(tx, promotionId, stepId);
  if (isPromotionEnd(promotion.state)) {
    throw activityFailure(
      FAILURES.illegalTransition,
      `${promotionId} is ${promotion.state}: it moves no requests any more.`,
    );
  }
  if (state === undefined || OPEN_STATES.includes(state)) return;
  throw activityFailure(
    FAILURES.illegalTransition,
    `Step ${stepId} of ${promotionId} is ${state}: it moves no requests any more.`,
  );
}

/**
 * Why an attempt comes too late to move requests forward; undefined when it does not. Somebody aborted while it waited for the router's row, the workflow
 * cancelled it, which an attempt that is not heard of does not notice, and what puts back was stored before it.
 */
async function findOvertaken(
  tx: Tx,
  { promotion: { promotionId }, stepId, round, place }: RouteOrder,
  router: string,
  { runId, activityId }: ActivityScope,
): Promise<StepResult | undefined> {
  if (isPuttingBack(place)) return undefined;
  const own = await listRouteCommands(tx, { router, promotionId, limit: MAX_OWN_COMMANDS });
  const back = own.find(({ idempotencyKey, ...command }) => {
    const key = parseRouteKey(promotionId, idempotencyKey);
    if (key?.stepId !== stepId || key.round !== round || !isPuttingBack(key.place)) return false;
    // The engine numbers the activities of one run as the workflow asks for them, the same at each replay. So the numbers say what was wanted last, also
    // where rows were stored in another order; times would be those of two clocks, and of storing. A rollout that is resumed asks with a higher one. What
    // is no number can't be said to be later.
    return command.runId === runId && !(Number(activityId) > Number(command.activityId));
  });
  if (back === undefined) return undefined;
  return failedResult(
    'route-taken-back',
    `The requests of router ${router} were taken back by command ${back.sequence} before this change (${nameOfPlace(place)}) was sent: nothing was sent. Resume the rollout to have it sent again.`,
  );
}
