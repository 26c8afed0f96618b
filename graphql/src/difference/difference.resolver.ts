import { Inject } from '@nestjs/common';
import { Context, Parent, ResolveField, Resolver } from '@nestjs/graphql';
import { compareComponents, compareFindings, comparePackages, type PlanSide } from '@sluice/domain';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { GRAPHQL_PARTS, type GraphqlParts } from '../common/tokens.ts';
import { releaseView } from '../release/release.view.ts';
import { componentChangeView, targetPlanView } from './difference.view.ts';
import { differenceLoadersOf } from './difference-loaders.ts';
import type { DifferenceView } from './load-difference.ts';
import type { ScanOutputs } from './scan-list.read-model.ts';
import { createScanReader, type ScanReader } from './scan-reader.ts';

/** What would change, for the one who decides. Documents are read only for the parts that are asked for. */
@Resolver('Difference')
export class DifferenceResolver {
  readonly #scans: ScanReader;

  constructor(@Inject(GRAPHQL_PARTS) parts: GraphqlParts) {
    this.#scans = createScanReader(parts.evidence);
  }

  @ResolveField('current')
  current(@Parent() { current }: DifferenceView, @Context() context: GraphqlContext) {
    return findRelease(context, current);
  }

  @ResolveField('desired')
  desired(@Parent() { desired }: DifferenceView, @Context() context: GraphqlContext) {
    return findRelease(context, desired);
  }

  @ResolveField('components')
  components(@Parent() { current, desired }: DifferenceView) {
    return compareComponents(current?.components ?? [], desired?.components ?? []).map(
      componentChangeView,
    );
  }

  @ResolveField('packages')
  packages(@Parent() difference: DifferenceView, @Context() context: GraphqlContext) {
    const read = ({ sbom }: ScanOutputs) => this.#scans.packages(sbom, context.log);
    return compareScans(difference, context, read, comparePackages);
  }

  @ResolveField('findings')
  findings(@Parent() difference: DifferenceView, @Context() context: GraphqlContext) {
    const read = ({ findings }: ScanOutputs) => this.#scans.findings(findings, context.log);
    return compareScans(difference, context, read, compareFindings);
  }

  @ResolveField('targets')
  targets(@Parent() { targets }: DifferenceView) {
    return targets.map(targetPlanView);
  }
}

async function findRelease({ loaders }: GraphqlContext, side: PlanSide | null) {
  const record = side === null ? undefined : await loaders.release(side.release);
  return record === undefined ? null : releaseView(record);
}

/** Null where a side that has something was never scanned, or its scan can't be read. An empty side has no items. */
async function compareScans<T, C>(
  { promotionId, current, desired }: DifferenceView,
  context: GraphqlContext,
  read: (scan: ScanOutputs) => Promise<readonly T[] | null>,
  compare: (from: readonly T[], to: readonly T[]) => C,
): Promise<C | null> {
  const list = async (
    side: PlanSide | null,
    find: (side: PlanSide) => ReturnType<typeof anyScan>,
  ) => {
    if (side === null) return [];
    const scan = await find(side);
    return scan === undefined ? null : read(scan);
  };
  const [from, to] = await Promise.all([
    list(current, (side) => anyScan(context, side)),
    list(desired, async (side) => (await ownScan(context, promotionId)) ?? anyScan(context, side)),
  ]);
  return from === null || to === null ? null : compare(from, to);
}

function anyScan(context: GraphqlContext, { release }: PlanSide): Promise<ScanOutputs | undefined> {
  return differenceLoadersOf(context).scanOf(release);
}

/** What this promotion's own scan said; undefined for a rollback, which scans nothing. */
async function ownScan(
  { loaders }: GraphqlContext,
  promotionId: string,
): Promise<ScanOutputs | undefined> {
  const steps = await loaders.stepsOf(promotionId);
  for (const { type, outputs } of steps) {
    const { findings, sbom } = outputs;
    if (type.startsWith('scan@') && findings !== undefined && sbom !== undefined) {
      return { findings, sbom };
    }
  }
  return undefined;
}
