import { type CommandPayload, PAYLOAD_SCHEMA, type PlanSide } from '@sluice/domain';
import { findEvidence, getRelease, getTarget, type Tx } from '@sluice/persistence';
import { FAILURES } from '@sluice/temporal-contract';
import { activityFailure } from '../failures.ts';

/** What travels beside a command: the side that shall be there, each component with its manifest's descriptor. */
export async function composeCommandPayload(
  tx: Tx,
  targetName: string,
  side: PlanSide | null,
  traceparent: string,
): Promise<CommandPayload> {
  const target = await getTarget(tx, targetName);
  return {
    schema: PAYLOAD_SCHEMA,
    environment: target.environment,
    desired: side === null ? null : await describeSide(tx, side),
    health: target.health,
    traceparent,
  };
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
