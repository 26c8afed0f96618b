export { type ArchiveEngine, createArchiveEngine } from './archive/archive-engine.ts';
export { type ArchiverOptions, startArchiver } from './archive/archiver.ts';
export { type DeliveryParts, deliverMessage, type SettleActivity } from './deliver-message.ts';
export {
  type ActivityPlace,
  createTemporalEngine,
  type Engine,
  type WorkflowStart,
  type WorkflowState,
} from './engine.ts';
export { startEventLinker } from './event-linker.ts';
export { type OutboxRelayOptions, type Relay, startOutboxRelay } from './outbox-relay.ts';
export { type ReleaseLeaseOfEnded, startWatchdog, type WatchdogOptions } from './watchdog.ts';
