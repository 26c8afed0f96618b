import type { ResolvedPipeline } from '@sluice/domain';
import {
  type AgentRecord,
  type ApprovalRecord,
  type ApprovalRequestRecord,
  type CurrentReleaseRecord,
  type DecisionRecord,
  type DeploymentRecord,
  type EnvironmentRecord,
  type EventRecord,
  type HistoryRecord,
  type LeaseRecord,
  listAgents,
  listApprovalRequestsOf,
  listApprovalsOf,
  listCurrentReleases,
  listDecisionsOf,
  listDeploymentsOf,
  listEnvironmentsByName,
  listEnvironmentsOfPipelines,
  listEventsOf,
  listHistoriesOf,
  listLeaseQueues,
  listLeases,
  listMemberCounts,
  listMembersOf,
  listPipelinesByVersion,
  listPipelineVersionsOf,
  listProblemsOf,
  listPromotionsById,
  listPromotionsOfEnvironments,
  listPromotionsOfReleases,
  listReleasesByDigest,
  listResolvedPipelines,
  listStatementsOf,
  listStepsOf,
  listTargetsByName,
  listTargetsOf,
  type MemberCounts,
  type MemberRecord,
  type PipelineRecord,
  type PipelineVersionRecord,
  type PromotionRecord,
  type QueuePlaceRecord,
  type Page as RecordPage,
  type ReleaseRecord,
  type StatementRecord,
  type StepRecord,
  type TargetRecord,
  type WorkflowProblemRecord,
} from '@sluice/persistence';
import { createRolloutLoaders, type RolloutLoaders } from '../rollout/rollout-loaders.ts';
import { createWatchLoaders, type WatchLoaders } from '../watch/watch-loaders.ts';
import { loadMany, loadOne, loadPages } from './batches.ts';
import type { InTenant } from './in-tenant.ts';
import type { Page } from './page.ts';

/** A lease with who waits for it, first in line first. */
export interface LeaseWithQueue extends LeaseRecord {
  readonly queue: readonly QueuePlaceRecord[];
}

/** How many members of a step are in each state. */
export interface StepMemberCounts {
  readonly promotionId: string;
  readonly stepId: string;
  readonly counts: MemberCounts;
  /** Of those, whose target was changed, or may have been, and was not put back. */
  readonly touched: number;
  /** Executions that began, in whatever round, and were neither done by the newest nor put back. */
  readonly unsure: number;
}

/**
 * Reads by key. All keys that one step of the execution asks for are read with one statement, whatever
 * their number; what was read stays for the rest of the request.
 */
export interface Loaders extends RolloutLoaders, WatchLoaders {
  release(digest: string): Promise<ReleaseRecord | undefined>;
  /** Throws for a digest that other records refer to and that is not there. */
  getRelease(digest: string): Promise<ReleaseRecord>;
  environment(name: string): Promise<EnvironmentRecord | undefined>;
  /** As {@link Loaders.getRelease}. */
  getEnvironment(name: string): Promise<EnvironmentRecord>;
  target(name: string): Promise<TargetRecord | undefined>;
  /** As {@link Loaders.getRelease}. */
  getTarget(name: string): Promise<TargetRecord>;
  /** Targets of an environment. */
  targetsOf(environment: string): Promise<readonly TargetRecord[]>;
  agentOf(target: string): Promise<AgentRecord | undefined>;
  currentReleaseOf(target: string): Promise<CurrentReleaseRecord | undefined>;
  leaseOf(resource: string): Promise<LeaseWithQueue | undefined>;
  promotion(id: string): Promise<PromotionRecord | undefined>;
  /** As {@link Loaders.getRelease}. */
  getPromotion(id: string): Promise<PromotionRecord>;
  stepsOf(promotion: string): Promise<readonly StepRecord[]>;
  decisionsOf(promotion: string): Promise<readonly DecisionRecord[]>;
  deploymentsOf(promotion: string): Promise<readonly DeploymentRecord[]>;
  statementsOf(promotion: string): Promise<readonly StatementRecord[]>;
  /** All rounds of asking, oldest first. */
  approvalRequestsOf(promotion: string): Promise<readonly ApprovalRequestRecord[]>;
  /** What was said in all rounds, oldest first. */
  approvalsOf(promotion: string): Promise<readonly ApprovalRecord[]>;
  /** Archived runs of its workflow and of what settled it, oldest first. */
  historiesOf(promotion: string): Promise<readonly HistoryRecord[]>;
  /** What keeps its workflow, or what settles it, from going on. */
  problemsOf(promotion: string): Promise<readonly WorkflowProblemRecord[]>;
  /** A version of a pipeline, by `<name>@<version>`; as {@link Loaders.getRelease}. */
  getPipeline(ref: string): Promise<PipelineRecord>;
  /** Newest first, at most 100. */
  pipelineVersionsOf(name: string): Promise<readonly PipelineVersionRecord[]>;
  /** Environments that name this pipeline, whatever the version. */
  environmentsOfPipeline(name: string): Promise<readonly EnvironmentRecord[]>;
  /** What promotions run, by its digest. */
  resolvedPipeline(digest: string): Promise<ResolvedPipeline | undefined>;
  /** Counts of the steps of a promotion that have members. */
  memberCountsOf(promotion: string): Promise<readonly StepMemberCounts[]>;
  /** Members of a step, named `<promotion> <step>`. */
  membersOf(step: string, page: Page): Promise<RecordPage<MemberRecord>>;
  eventsOf(promotion: string, page: Page): Promise<RecordPage<EventRecord>>;
  promotionsOfEnvironment(name: string, page: Page): Promise<RecordPage<PromotionRecord>>;
  promotionsOfRelease(digest: string, page: Page): Promise<RecordPage<PromotionRecord>>;
}

/** Loaders for one request. */
export function createLoaders(inTenant: InTenant): Loaders {
  const release = loadOne(inTenant, listReleasesByDigest, (row) => row.releaseDigest);
  const environment = loadOne(inTenant, listEnvironmentsByName, (row) => row.name);
  const promotion = loadOne(inTenant, listPromotionsById, (row) => row.promotionId);
  const target = loadOne(inTenant, listTargetsByName, (row) => row.name);
  return {
    release,
    getRelease: required('release', release),
    environment,
    getEnvironment: required('environment', environment),
    target,
    getTarget: required('target', target),
    targetsOf: loadMany(inTenant, listTargetsOf, (row) => row.environment),
    agentOf: loadOne(inTenant, listAgents, (row) => row.target),
    currentReleaseOf: loadOne(inTenant, listCurrentReleases, (row) => row.target),
    leaseOf: loadOne(inTenant, listLeasesWithQueues, (row) => row.resource),
    promotion,
    getPromotion: required('promotion', promotion),
    stepsOf: loadMany(inTenant, listStepsOf, (row) => row.promotionId),
    decisionsOf: loadMany(inTenant, listDecisionsOf, (row) => row.promotionId),
    deploymentsOf: loadMany(inTenant, listDeploymentsOf, (row) => row.promotionId),
    statementsOf: loadMany(inTenant, listStatementsOf, (row) => row.promotionId),
    approvalRequestsOf: loadMany(inTenant, listApprovalRequestsOf, (row) => row.promotionId),
    approvalsOf: loadMany(inTenant, listApprovalsOf, (row) => row.promotionId),
    historiesOf: loadMany(inTenant, listHistoriesOf, (row) => row.promotionId ?? ''),
    problemsOf: loadMany(inTenant, listProblemsOf, (row) => row.promotionId ?? ''),
    ...createPipelineLoaders(inTenant),
    ...createRolloutLoaders(inTenant),
    ...createWatchLoaders(inTenant),
    memberCountsOf: loadMany(inTenant, listMemberCounts, (row) => row.promotionId),
    membersOf: loadPages(inTenant, (tx, keys, first) =>
      listMembersOf(
        tx,
        keys.map(({ id, after }) => {
          const [promotionId = '', stepId = ''] = id.split(' ');
          return { promotionId, stepId, after };
        }),
        first,
      ),
    ),
    eventsOf: loadPages(inTenant, (tx, keys, first) =>
      listEventsOf(
        tx,
        keys.map(({ id, after }) => ({ promotionId: id, after })),
        first,
      ),
    ),
    promotionsOfEnvironment: loadPages(inTenant, (tx, keys, first) =>
      listPromotionsOfEnvironments(
        tx,
        keys.map(({ id, after }) => ({ environment: id, after })),
        first,
      ),
    ),
    promotionsOfRelease: loadPages(inTenant, (tx, keys, first) =>
      listPromotionsOfReleases(
        tx,
        keys.map(({ id, after }) => ({ releaseDigest: id, after })),
        first,
      ),
    ),
  };
}

function createPipelineLoaders(
  inTenant: InTenant,
): Pick<
  Loaders,
  'getPipeline' | 'pipelineVersionsOf' | 'environmentsOfPipeline' | 'resolvedPipeline'
> {
  const pipeline = loadOne(
    inTenant,
    (tx, refs) =>
      listPipelinesByVersion(
        tx,
        refs.map((ref) => {
          const [name = '', version] = ref.split('@');
          return { name, version: Number(version) };
        }),
      ),
    ({ name, version }) => `${name}@${version}`,
  );
  const resolved = loadOne(inTenant, listResolvedPipelines, (row) => row.pipelineDigest);
  return {
    getPipeline: required('pipeline', pipeline),
    pipelineVersionsOf: loadMany(inTenant, listPipelineVersionsOf, (row) => row.name),
    environmentsOfPipeline: loadMany(inTenant, listEnvironmentsOfPipelines, (row) => row.pipeline),
    resolvedPipeline: async (digest) => (await resolved(digest))?.body,
  };
}

async function listLeasesWithQueues(
  tx: Parameters<typeof listLeases>[0],
  resources: readonly string[],
): Promise<readonly LeaseWithQueue[]> {
  const leases = await listLeases(tx, resources);
  const places = await listLeaseQueues(tx, resources);
  return leases.map((lease) => ({
    ...lease,
    queue: places.filter(({ resource }) => resource === lease.resource),
  }));
}

function required<V>(what: string, load: (key: string) => Promise<V | undefined>) {
  return async (key: string): Promise<V> => {
    const found = await load(key);
    if (found !== undefined) return found;
    throw new Error(`The ${what} ${key} is referred to by other records, but is not there.`);
  };
}
