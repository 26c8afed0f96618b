import type { Provider } from '@nestjs/common';
import { AnalysisResolver } from './analysis/analysis.resolver.ts';
import { ApprovalCommands } from './approval/approval.commands.ts';
import { ApprovalResolver } from './approval/approval.resolver.ts';
import { BudgetResolver } from './budget/budget.resolver.ts';
import { DateTimeScalar, DigestScalar, JsonScalar } from './common/scalars.ts';
import { DIFFERENCE_RESOLVERS } from './difference/index.ts';
import { EnvironmentResolver } from './environment/environment.resolver.ts';
import { QueuePlaceResolver } from './environment/queue-place.resolver.ts';
import { TargetResolver } from './environment/target.resolver.ts';
import { EventResolver } from './event/event.resolver.ts';
import { PacketResolver } from './evidence/packet.resolver.ts';
import { HistoryCommands } from './history/history.commands.ts';
import { HistoryResolver } from './history/history.resolver.ts';
import { ResetCommands } from './history/reset.commands.ts';
import { LogResolver } from './log/log.resolver.ts';
import { OutputResolver } from './output/output.resolver.ts';
import { PipelineCommands } from './pipeline/pipeline.commands.ts';
import { PipelineResolver } from './pipeline/pipeline.resolver.ts';
import { PreviewResolver } from './preview/preview.resolver.ts';
import { DeploymentResolver } from './promotion/deployment.resolver.ts';
import { PromotionCommands } from './promotion/promotion.commands.ts';
import { PromotionResolver } from './promotion/promotion.resolver.ts';
import { ReconcileCommands } from './reconcile/reconcile.commands.ts';
import { ReconcileResolver } from './reconcile/reconcile.resolver.ts';
import { ReleaseCommands } from './release/release.commands.ts';
import { ReleaseResolver } from './release/release.resolver.ts';
import { ReleaseRequestResolver } from './release/release-request.resolver.ts';
import { RollbackCommands } from './rollback/rollback.commands.ts';
import { RollbackResolver } from './rollback/rollback.resolver.ts';
import { RolloutCommands } from './rollout/rollout.commands.ts';
import { RolloutResolver, RolloutStageResolver } from './rollout/rollout.resolver.ts';
import { RouterResolver } from './router/router.resolver.ts';
import { PromotionPipelineResolver } from './step/promotion-pipeline.resolver.ts';
import { StepMemberResolver, StepResolver } from './step/step.resolver.ts';
import {
  PromotionProgressResolver,
  SubscriptionResolver,
} from './subscription/subscription.resolver.ts';
import { ViewerResolver } from './viewer/viewer.resolver.ts';
import { PromotionWatchResolver, WatchResolver } from './watch/watch.resolver.ts';

/** Everything that the API's Nest module provides for GraphQL; beside it, `GRAPHQL_PARTS` is needed. */
export const GRAPHQL_PROVIDERS: readonly Provider[] = [
  DateTimeScalar,
  DigestScalar,
  JsonScalar,
  AnalysisResolver,
  ApprovalCommands,
  ApprovalResolver,
  BudgetResolver,
  ...DIFFERENCE_RESOLVERS,
  DeploymentResolver,
  EnvironmentResolver,
  EventResolver,
  HistoryCommands,
  HistoryResolver,
  LogResolver,
  OutputResolver,
  PacketResolver,
  PipelineCommands,
  PipelineResolver,
  PreviewResolver,
  PromotionCommands,
  PromotionPipelineResolver,
  PromotionResolver,
  PromotionWatchResolver,
  QueuePlaceResolver,
  ReconcileCommands,
  ReconcileResolver,
  ReleaseCommands,
  ReleaseRequestResolver,
  ReleaseResolver,
  ResetCommands,
  RollbackCommands,
  RollbackResolver,
  RolloutCommands,
  RolloutResolver,
  RolloutStageResolver,
  RouterResolver,
  PromotionProgressResolver,
  SubscriptionResolver,
  StepMemberResolver,
  StepResolver,
  TargetResolver,
  ViewerResolver,
  WatchResolver,
];
