export { type ArchiveEngine, createArchiveEngine } from './archive/archive-engine.ts';
export { type ArchiverOptions, startArchiver } from './archive/archiver.ts';
export { type DeliveryParts, deliverMessage, type SettleActivity } from './deliver-message.ts';
export {
  type ActivityPlace,
  createTemporalEngine,
  type Engine,
  type ResetAnswer,
  type TaskFailure,
  type WorkflowDescription,
  type WorkflowReset,
  type WorkflowStart,
  type WorkflowState,
} from './engine.ts';
export { startEventLinker } from './event-linker.ts';
export { type OutboxRelayOptions, type Relay, startOutboxRelay } from './outbox-relay.ts';
export { type ProblemWatchOptions, startProblemWatch } from './problems/problem-watch.ts';
export { type ReconcilerOptions, startReconciler } from './reconcile/reconciler.ts';
export { type ReleaseLeaseOfEnded, startWatchdog, type WatchdogOptions } from './watchdog.ts';
