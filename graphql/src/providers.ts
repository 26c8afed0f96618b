import type { Provider } from '@nestjs/common';
import { DateTimeScalar, DigestScalar, JsonScalar } from './common/scalars.ts';
import { EnvironmentResolver } from './environment/environment.resolver.ts';
import { TargetResolver } from './environment/target.resolver.ts';
import { EventResolver } from './event/event.resolver.ts';
import { PacketResolver } from './evidence/packet.resolver.ts';
import { DeploymentResolver } from './promotion/deployment.resolver.ts';
import { PromotionCommands } from './promotion/promotion.commands.ts';
import { PromotionResolver } from './promotion/promotion.resolver.ts';
import { ReleaseCommands } from './release/release.commands.ts';
import { ReleaseResolver } from './release/release.resolver.ts';
import { ReleaseRequestResolver } from './release/release-request.resolver.ts';
import { ViewerResolver } from './viewer/viewer.resolver.ts';

/** Everything that the API's Nest module provides for GraphQL; beside it, `GRAPHQL_PARTS` is needed. */
export const GRAPHQL_PROVIDERS: readonly Provider[] = [
  DateTimeScalar,
  DigestScalar,
  JsonScalar,
  DeploymentResolver,
  EnvironmentResolver,
  EventResolver,
  PacketResolver,
  PromotionCommands,
  PromotionResolver,
  ReleaseCommands,
  ReleaseRequestResolver,
  ReleaseResolver,
  TargetResolver,
  ViewerResolver,
];
