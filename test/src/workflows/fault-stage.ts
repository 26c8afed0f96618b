import type {
  ReleaseActivities,
  WatchActivities,
  WatchReleaseInput,
} from '@sluice/temporal-contract';
import type { Client } from '@temporalio/client';
import { bundleSources, editBundle } from './bundle-workflows.ts';
import type { PromotionActivities } from './fake-activities.ts';
import { letDie } from './fault-injection.ts';
import { routeByEnvironment } from './route-by-environment.ts';
import { createPoint } from './waiting.ts';
import type { StartedWorkers, WorkerChanges } from './workflow-environment.ts';
import { openWorkflowEnvironment } from './workflow-environment.ts';

/** Where scenarios run: one namespace, one set of workers at a time, activities of each run's own. */
export interface FaultStage {
  readonly client: Client;
  /** Of every start. A short task timeout: what a dead worker took is given to another one soon. */
  startOptions: { readonly workflowTaskTimeout?: '4s' };
  /** By environment. */
  readonly promotions: Map<string, PromotionActivities>;
  /** By source of the components. */
  readonly releases: Map<string, ReleaseActivities>;
  /** By promotion. */
  readonly watches: Map<string, WatchActivities>;
  /** Ends the workers, what runs in them is never answered, and starts others, which know nothing. */
  restartWorkers(): Promise<void>;
  /** Other workers that keep no workflow in memory: each task replays from the first event. */
  forgetWorkflows(): Promise<void>;
  close(): Promise<void>;
}

/** Nothing that runs in dying workers is waited for, but a busy machine may take long to end them. */
const PATIENT: WorkerChanges = { shutdownForceTime: '2 minutes' };

/** Takes the workflows with short attempts, connects to the dev server of the test run and starts workers. */
export async function openFaultStage(): Promise<FaultStage> {
  const bundle = editBundle(
    await bundleSources(),
    "const ATTEMPTS = 'as they are';",
    "const ATTEMPTS = 'short';",
  );
  const env = await openWorkflowEnvironment(bundle);
  const promotions = new Map<string, PromotionActivities>();
  const releases = new Map<string, ReleaseActivities>();
  const watches = new Map<string, WatchActivities>();
  let life = createPoint();
  const activities = letDie(
    { ...routeByEnvironment(promotions), ...routeBySource(releases), ...routeByPromotion(watches) },
    () => life.reached,
  );
  let workers: StartedWorkers = await env.startWorkers(activities, PATIENT);
  const replaceWorkers = async (changes: WorkerChanges): Promise<void> => {
    life.reach();
    life = createPoint();
    await workers.end();
    workers = await env.startWorkers(activities, { ...PATIENT, ...changes });
  };
  return {
    client: env.client,
    startOptions: {},
    promotions,
    releases,
    watches,
    restartWorkers: () => replaceWorkers({}),
    forgetWorkflows: () => replaceWorkers({ maxCachedWorkflows: 0 }),
    close: async () => {
      await workers.end();
      await env.close();
    },
  };
}

function routeBySource(fakes: ReadonlyMap<string, ReleaseActivities>): ReleaseActivities {
  const of = (source: string | undefined): ReleaseActivities => {
    const found = fakes.get(source ?? '');
    if (found === undefined) throw new Error(`no fakes for source ${source}`);
    return found;
  };
  return {
    resolveComponent: async (input) => of(input.component.source).resolveComponent(input),
    recordRelease: async (input) => of(input.request.components[0]?.source).recordRelease(input),
    refuseRelease: async (input) => of(input.request.components[0]?.source).refuseRelease(input),
  };
}

function routeByPromotion(fakes: ReadonlyMap<string, WatchActivities>): WatchActivities {
  const of = ({ promotion: { promotionId } }: WatchReleaseInput): WatchActivities => {
    const found = fakes.get(promotionId);
    if (found === undefined) throw new Error(`no fakes for the watch over ${promotionId}`);
    return found;
  };
  return {
    lookAtRelease: async (input) => of(input).lookAtRelease(input),
    closeWatch: async (input) => of(input).closeWatch(input),
  };
}
