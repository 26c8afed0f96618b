import type { ReleaseNameView } from './approval-operations.ts';
import type { ProblemView } from './history-operations.ts';
import type { ReasonView } from './operations.ts';

/** GraphQL operations around environments, their queues and their rollbacks, and what they select. */

const QUEUE = `
  fragment QueueFields on Environment {
    name
    lease {
      holder fencingToken acquiredAt
      queue {
        position ready enqueuedAt
        reason { code message }
        promotion {
          id kind state requestedBy release { id name version }
          problem { code message cause attempt event activity buildId since wayOut }
        }
      }
    }
  }`;

/** These operations, by name. */
export const ENVIRONMENT_OPERATIONS = {
  queues: `query Queues { environments { ...QueueFields } } ${QUEUE}`,
  queue: `query Queue($name: ID!) { environment(name: $name) { ...QueueFields } } ${QUEUE}`,
  rollbackScene: `query RollbackScene($name: ID!) {
    environment(name: $name) {
      name
      verifiedRelease { id name version }
      lease { holder }
      targets { name currentRelease { id name version } }
      promotions(first: 100) { edges { node { id state release { id name version } } } }
    }
  }`,
  environmentPipeline: `query EnvironmentPipeline($name: ID!) {
    environment(name: $name) { pipeline pipelineVersion }
  }`,
  rollbackEnvironment: `mutation RollbackEnvironment($input: RollbackEnvironmentInput!) {
    rollbackEnvironment(input: $input) {
      __typename
      ... on Promotion {
        id kind state requestedBy requestedAt
        release { id name version }
        environment { name }
      }
      ... on Refusal { __typename code message }
    }
  }`,
} as const;

/** An environment's lease and queue, as the operations select them. */
export interface QueueView {
  readonly name: string;
  readonly lease: {
    readonly holder: string | null;
    readonly fencingToken: string;
    readonly acquiredAt: string | null;
    readonly queue: readonly {
      readonly position: number;
      readonly ready: boolean;
      readonly enqueuedAt: string;
      readonly reason: ReasonView;
      readonly promotion: {
        readonly id: string;
        readonly kind: string;
        readonly state: string;
        readonly requestedBy: string;
        readonly release: ReleaseNameView;
        readonly problem: ProblemView | null;
      };
    }[];
  } | null;
}

/** What somebody who rolls back must know, as the operation selects it. */
export interface RollbackSceneView {
  readonly name: string;
  readonly verifiedRelease: ReleaseNameView | null;
  readonly lease: { readonly holder: string | null } | null;
  readonly targets: readonly {
    readonly name: string;
    readonly currentRelease: ReleaseNameView | null;
  }[];
  readonly promotions: {
    readonly edges: readonly {
      readonly node: {
        readonly id: string;
        readonly state: string;
        readonly release: ReleaseNameView;
      };
    }[];
  };
}

/** A rollback that was accepted. */
export interface RollbackView {
  readonly __typename: 'Promotion';
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly requestedBy: string;
  readonly requestedAt: string;
  readonly release: ReleaseNameView;
  readonly environment: { readonly name: string };
}
