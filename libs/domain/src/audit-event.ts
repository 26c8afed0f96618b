/** Kinds of audit event; `noun.past-participle`. */
export const EVENT_TYPES = [
  'configuration.applied',
  'pipeline.published',
  'agent.enrolled',
  'release.requested',
  'release.created',
  'release.refused',
  'promotion.requested',
  'promotion.cancel-requested',
  'promotion.state-changed',
  'step.state-changed',
  'step.compensated',
  'promotion.release-bound',
  'promotion.superseded',
  'promotion.abandoned',
  'decision.made',
  'plan.made',
  'plan.stale',
  'approval.requested',
  'approval.recorded',
  'approval.refused',
  'approval.closed',
  'command.dispatched',
  'report.received',
  'deployment.settled',
  'rollout.laid-out',
  'rollout.moved',
  'rollout.paused',
  'rollout.resumed',
  'rollout.steered',
  'rollout.ended',
  'rollout.steer-refused',
  'rollout.steer-requested',
  'rollout.watched',
  'route.changed',
  'route.kept',
  'promotion.sealed',
  'budget.awaited',
  'watch.opened',
  'watch.blinded',
  'watch.sighted',
  'watch.closed',
  'lease.queued',
  'lease.granted',
  'lease.yielded',
  'lease.preempted',
  'lease.released',
  'history.archived',
  'history.read',
  'history.expired',
  'history.lost',
  'promotion.stuck',
  'promotion.unstuck',
  'promotion.resume-requested',
  'promotion.reset-requested',
  'promotion.reset',
  'discrepancy.raised',
  'discrepancy.repair-requested',
  'discrepancy.repaired',
  'discrepancy.cleared',
  'request.refused',
] as const;

/** One of {@link EVENT_TYPES}. */
export type EventType = (typeof EVENT_TYPES)[number];

/** One audit record, before the linker gives it a position and a hash. */
export interface AuditEvent {
  readonly type: EventType;
  /** `principal:<name>`, `agent:<target>`, `workflow:<id>`, `system:<part>`. */
  readonly actor: string;
  /** What it is about: `promotion:dev/1`, `release:sha256:…`, `target:dev-host-1`. */
  readonly subject: string;
  /** Small, without secrets; details by digest. */
  readonly data: Readonly<Record<string, unknown>>;
  /** 32 hexadecimal digits, or null where nothing traced it. */
  readonly traceId: string | null;
}
