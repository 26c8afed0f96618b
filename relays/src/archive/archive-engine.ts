import {
  type createTemporalClient,
  fetchHistory,
  type History,
  listRuns,
  type WorkflowRun,
} from '@sluice/temporal-client';
import { createTemporalEngine, type Engine } from '../engine.ts';

/** The durable engine as the archiver needs it. */
export interface ArchiveEngine extends Pick<Engine, 'findWorkflowState'> {
  /** Every run of a workflow that the engine still knows, oldest first. */
  listRuns(workflowId: string): Promise<readonly WorkflowRun[]>;
  /** The whole history of one run, payloads as the engine has them. */
  fetchHistory(run: { readonly workflowId: string; readonly runId: string }): Promise<History>;
}

type Client = Awaited<ReturnType<typeof createTemporalClient>>;

/** Milliseconds that one question may take; a long history comes in many pages. */
const DEADLINE_MS = 60_000;

/** The engine behind a Temporal client. */
export function createArchiveEngine(client: Client): ArchiveEngine {
  const within = <T>(call: () => Promise<T>): Promise<T> =>
    client.withDeadline(Date.now() + DEADLINE_MS, call);
  return {
    findWorkflowState: createTemporalEngine(client).findWorkflowState,
    listRuns: (workflowId) => within(() => listRuns(client, workflowId)),
    fetchHistory: (run) => within(() => fetchHistory(client, run)),
  };
}
