import {
  type CommandKind,
  type CommandPayload,
  hasStepOfType,
  PAYLOAD_SCHEMA,
  type Plan,
  type PlanSide,
} from '@sluice/domain';
import {
  findEvidence,
  getRelease,
  getTarget,
  type PromotionRecord,
  type Tx,
} from '@sluice/persistence';
import { digestOf } from '@sluice/pure';
import { FAILURES, type FrozenRules } from '@sluice/temporal-contract';
import { activityFailure } from '../failures.ts';

/** The side of a plan that a command of this kind puts on the target; null empties it. */
export function sideOf(kind: CommandKind, plan: Plan): PlanSide | null {
  return kind === 'deploy' ? plan.desired : plan.current;
}

/**
 * What travels beside a promotion's command. A deployment that was planned as a step of its own expects what the
 * plan found; a rollback and a revert replace whatever is there. Worker and signer make it alike.
 */
export function composePlanPayload(
  tx: Tx,
  promotion: PromotionRecord,
  kind: CommandKind,
  plan: Plan,
): Promise<CommandPayload> {
  const rules = promotion.rules as unknown as FrozenRules | null;
  const expects =
    kind === 'deploy' &&
    promotion.kind === 'promote' &&
    rules !== null &&
    hasStepOfType(rules.pipeline, 'plan')
      ? plan.current
      : undefined;
  return composeCommandPayload(tx, plan.target, sideOf(kind, plan), promotion.traceparent, expects);
}

/**
 * A command's payload: the side that shall be there, each component with its manifest's descriptor.
 * @param expects what must be there now, null for nothing; absent where anything may be replaced
 */
export async function composeCommandPayload(
  tx: Tx,
  targetName: string,
  side: PlanSide | null,
  traceparent: string,
  expects?: PlanSide | null,
): Promise<CommandPayload> {
  const target = await getTarget(tx, targetName);
  return {
    schema: PAYLOAD_SCHEMA,
    environment: target.environment,
    desired: side === null ? null : await describeSide(tx, side),
    ...(expects === undefined ? {} : { expects: describeExpected(expects) }),
    health: target.health,
    traceparent,
  };
}

function describeExpected(side: PlanSide | null): NonNullable<CommandPayload['expects']> | null {
  return side === null ? null : { release: side.release, settingsDigest: digestOf(side.settings) };
}

async function describeSide(
  tx: Tx,
  side: PlanSide,
): Promise<NonNullable<CommandPayload['desired']>> {
  const { releaseDigest, name, version } = await getRelease(tx, side.release);
  const components: NonNullable<CommandPayload['desired']>['components'][number][] = [];
  for (const component of side.components) {
    const blob = await findEvidence(tx, component.digest);
    if (blob === undefined) {
      throw activityFailure(
        FAILURES.notFound,
        `The manifest ${component.digest} of component ${component.name} is not in the evidence ` +
          `store's records: create release ${name} ${version} again from its source.`,
      );
    }
    const { digest, mediaType, size } = blob;
    components.push({ ...component, manifest: { digest, mediaType, size } });
  }
  return { release: { digest: releaseDigest, name, version }, components, settings: side.settings };
}
