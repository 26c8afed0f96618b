import { type DynamicModule, Module } from '@nestjs/common';
import { GraphQLModule } from '@nestjs/graphql';
import { GRAPHQL_PARTS, GRAPHQL_PROVIDERS, type GraphqlParts } from '@sluice/graphql';
import { AgentChannelController } from './agent-channel/agent-channel.controller.ts';
import { API_PARTS, type ApiParts } from './api-parts.ts';
import { createGraphqlOptions } from './graphql-options.ts';
import { HealthController } from './health/health.controller.ts';

/** The API as one Nest module over its parts. */
@Module({})
export class ApiModule {
  /** The module for these parts. */
  static of(parts: ApiParts): DynamicModule {
    const graphqlParts: GraphqlParts = {
      evidence: parts.evidence,
      codecKeys: parts.codecKeys,
      readTrustRoot: parts.readTrustRoot,
      agents: parts.agents,
      wakeups: parts.wakeups,
      engine: parts.engine,
      releaseWaitMs: parts.releaseWaitMs,
      now: parts.now,
    };
    return {
      module: ApiModule,
      imports: [GraphQLModule.forRoot(createGraphqlOptions(parts))],
      controllers: [AgentChannelController, HealthController],
      providers: [
        { provide: API_PARTS, useValue: parts },
        { provide: GRAPHQL_PARTS, useValue: graphqlParts },
        ...GRAPHQL_PROVIDERS,
      ],
    };
  }
}
