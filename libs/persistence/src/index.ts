export * from './catalogue-walk.ts';
export { MAX_PAGE_SIZE, type Page, type PageRequest } from './cursor.ts';
export * from './database-errors.ts';
export * from './listener.ts';
export * from './migrate.ts';
export * from './migrate-command.ts';
export * from './migration-files.ts';
export * from './persistence-error.ts';
export * from './pool.ts';
export * from './repositories/agent.repository.ts';
export * from './repositories/analysis.repository.ts';
export * from './repositories/approval.repository.ts';
export * from './repositories/approval-request.repository.ts';
export * from './repositories/budget.repository.ts';
export * from './repositories/bundle.repository.ts';
export * from './repositories/command.repository.ts';
export * from './repositories/configuration.repository.ts';
export * from './repositories/current-release.repository.ts';
export * from './repositories/decision.repository.ts';
export * from './repositories/deployment.repository.ts';
export * from './repositories/discrepancy.repository.ts';
export * from './repositories/effect.repository.ts';
export * from './repositories/environment.repository.ts';
export * from './repositories/event.repository.ts';
export * from './repositories/event-chain.ts';
export * from './repositories/event-list.read-model.ts';
export * from './repositories/evidence.repository.ts';
export * from './repositories/execution.repository.ts';
export {
  beginMembers,
  beginSteps,
  type StepBeginning,
} from './repositories/execution-begin.repository.ts';
export * from './repositories/execution-end.repository.ts';
export * from './repositories/execution-find.repository.ts';
export * from './repositories/frozen-rules.repository.ts';
export * from './repositories/history.repository.ts';
export * from './repositories/idempotency.repository.ts';
export * from './repositories/last-verified.read-model.ts';
export * from './repositories/lease.read-model.ts';
export * from './repositories/lease.repository.ts';
export * from './repositories/made-release.repository.ts';
export * from './repositories/outbox.repository.ts';
export * from './repositories/pipeline.repository.ts';
export * from './repositories/pipeline-library.ts';
export * from './repositories/pipeline-list.read-model.ts';
export * from './repositories/plan.repository.ts';
export * from './repositories/planned-target.read-model.ts';
export * from './repositories/principal.repository.ts';
export * from './repositories/probe-samples.repository.ts';
export * from './repositories/problem.repository.ts';
export * from './repositories/promotion.repository.ts';
export * from './repositories/promotion-list.read-model.ts';
export * from './repositories/promotion-step.repository.ts';
export * from './repositories/reconcile-facts.read-model.ts';
export * from './repositories/release.repository.ts';
export * from './repositories/release-request.repository.ts';
export * from './repositories/release-watch.repository.ts';
export * from './repositories/report.repository.ts';
export * from './repositories/requested-promotion.repository.ts';
export * from './repositories/rollout.repository.ts';
export * from './repositories/rollout-stage.read-model.ts';
export * from './repositories/rollout-steer.repository.ts';
export * from './repositories/route.repository.ts';
export * from './repositories/rule.repository.ts';
export type { ReasonRecord } from './repositories/single-row.ts';
export * from './repositories/statement.repository.ts';
export * from './repositories/step-attempt.repository.ts';
export * from './repositories/step-list.read-model.ts';
export * from './repositories/step-log.repository.ts';
export * from './repositories/step-member.read-model.ts';
export {
  closeMembers,
  findMember,
  findNewestRound,
  insertMembers,
  listMemberKeys,
  MEMBER_STATES,
  type MemberRecord,
  type MemberSet,
  type MemberState,
  settleMember,
  settleMembers,
  startMember,
} from './repositories/step-member.repository.ts';
export * from './repositories/target.repository.ts';
export * from './repositories/target-side.repository.ts';
export * from './repositories/value-reference.ts';
export * from './repositories/verified-release.repository.ts';
export * from './repositories/watchdog.read-model.ts';
export * from './roles.ts';
export * from './schema-check.ts';
export * from './schema-dump.ts';
export * from './transaction.ts';
