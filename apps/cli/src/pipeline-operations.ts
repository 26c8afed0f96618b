import type { ResolvedPipeline } from '@sluice/domain';
import type { ChangeScope } from '@sluice/pipeline';
import type { ReasonView } from './operations.ts';

/** GraphQL operations around pipelines, and what they select. */

const PROBLEMS =
  '... on PipelineInvalid { problemCount problems { code severity path line column message suggestion } }';

const REFUSAL = `... on Refusal { __typename code message } ${PROBLEMS}`;

const PREVIEW = `
  fragment PreviewFields on PromotionPreview {
    environment { name }
    release { id name version }
    pipeline { name version digest document }
    steps {
      id type description title kind layer needs condition if skipped asks members memberCount membersFrom maxParallel
      timeoutSeconds attempts longestSeconds concurrencyGroup continueOnFailure undoes guarantee
    }
    targets { target { name address currentRelease { name version } } steps }
    approval { count roles deadlineSeconds }
    deadlineSeconds
    blockers { code message }
  }`;

/** These operations, by name. */
export const PIPELINE_OPERATIONS = {
  publishPipeline: `mutation PublishPipeline($input: PublishPipelineInput!) {
    publishPipeline(input: $input) {
      __typename
      ... on PublishedPipeline {
        published
        pipeline { id name version digest }
        warnings { code severity path line column message suggestion }
      }
      ${REFUSAL}
    }
  }`,
  pipelines: `query Pipelines($first: Int, $after: String) {
    pipelines(first: $first, after: $after) {
      edges { node {
        id name version digest description builtIn stepCount publishedBy publishedAt
        environments { name }
      } }
      pageInfo { hasNextPage endCursor }
    }
  }`,
  pipeline: `query Pipeline($name: String!, $version: Int) {
    pipeline(name: $name, version: $version) {
      id name version digest description builtIn stepCount publishedBy publishedAt document
      parameters { name schema required default }
      versions { version digest publishedBy publishedAt }
      environments { name }
    }
  }`,
  resolvePipeline: `query ResolvePipeline($pipeline: String!, $environment: String, $parameters: JSON) {
    resolvePipeline(pipeline: $pipeline, environment: $environment, parameters: $parameters) {
      __typename
      ... on ResolvedPipeline { name version digest document mermaid }
      ${REFUSAL}
    }
  }`,
  comparePipelines: `query ComparePipelines($from: String!, $to: String!, $environment: String, $parameters: JSON) {
    comparePipelines(from: $from, to: $to, environment: $environment, parameters: $parameters) {
      __typename
      ... on PipelineDifference {
        scope reordered
        before { name version digest document }
        after { name version digest document }
      }
      ${REFUSAL}
    }
  }`,
  previewPromotion: `query PreviewPromotion($environment: String!, $release: Digest, $parameters: JSON) {
    previewPromotion(environment: $environment, release: $release, parameters: $parameters) {
      __typename
      ... on PromotionPreview { ...PreviewFields }
      ${REFUSAL}
    }
  } ${PREVIEW}`,
} as const;

/** A problem of a pipeline as the operations select it. */
export interface ProblemOfPipelineView {
  readonly code: string;
  readonly severity: 'ERROR' | 'WARNING';
  readonly path: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly suggestion: string | null;
}

/** What an operation about pipelines answers instead of its object. */
export interface PipelineRefusalView extends ReasonView {
  readonly __typename: string;
  /** Of a pipeline that can't be taken or run. */
  readonly problems?: readonly ProblemOfPipelineView[];
  readonly problemCount?: number;
}

/** What became of a published text. */
export interface PublishedView {
  readonly __typename: 'PublishedPipeline';
  readonly published: boolean;
  readonly pipeline: {
    readonly id: string;
    readonly name: string;
    readonly version: number;
    readonly digest: string;
  };
  readonly warnings: readonly ProblemOfPipelineView[];
}

/** A published pipeline as the list selects it. */
export interface PipelineView {
  readonly id: string;
  readonly name: string;
  readonly version: number;
  readonly digest: string;
  readonly description: string | null;
  readonly builtIn: boolean;
  readonly stepCount: number;
  readonly publishedBy: string | null;
  readonly publishedAt: string;
  readonly environments: readonly { readonly name: string }[];
}

/** A published pipeline with all that is known of it. */
export interface WholePipelineView extends PipelineView {
  readonly document: unknown;
  readonly parameters: readonly {
    readonly name: string;
    readonly schema: { readonly type: string };
    readonly required: boolean;
    readonly default: unknown;
  }[];
  readonly versions: readonly {
    readonly version: number;
    readonly digest: string;
    readonly publishedBy: string | null;
    readonly publishedAt: string;
  }[];
}

/** A resolved pipeline with the document that draws it. */
export interface ResolvedPipelineView {
  readonly __typename: 'ResolvedPipeline';
  readonly name: string;
  readonly version: number;
  readonly digest: string;
  readonly document: ResolvedPipeline;
  readonly mermaid: string;
}

/** Two pipelines to compare. */
export interface PipelineDifferenceView {
  readonly __typename: 'PipelineDifference';
  readonly scope: Uppercase<ChangeScope> | null;
  readonly reordered: boolean;
  readonly before: Omit<ResolvedPipelineView, '__typename' | 'mermaid'>;
  readonly after: Omit<ResolvedPipelineView, '__typename' | 'mermaid'>;
}

/** A step as a promotion would run it. */
export interface PreviewStepView {
  readonly id: string;
  readonly type: string;
  readonly description: string | null;
  readonly title: string;
  readonly kind: 'STEP' | 'DECISION' | 'MATRIX' | 'PAUSE';
  readonly layer: number;
  readonly needs: readonly string[];
  readonly condition: string | null;
  readonly if: string | null;
  readonly skipped: boolean;
  readonly asks: string | null;
  readonly members: readonly string[] | null;
  readonly memberCount: number | null;
  readonly membersFrom: string | null;
  readonly maxParallel: number | null;
  readonly timeoutSeconds: number;
  readonly attempts: number;
  readonly longestSeconds: number | null;
  readonly concurrencyGroup: string | null;
  readonly continueOnFailure: boolean;
  readonly undoes: string | null;
  readonly guarantee: string | null;
}

/** What a promotion would do. */
export interface PreviewView {
  readonly __typename: 'PromotionPreview';
  readonly environment: { readonly name: string };
  readonly release: { readonly id: string; readonly name: string; readonly version: string } | null;
  readonly pipeline: Omit<ResolvedPipelineView, '__typename' | 'mermaid'>;
  readonly steps: readonly PreviewStepView[];
  readonly targets: readonly {
    readonly target: {
      readonly name: string;
      readonly address: string;
      readonly currentRelease: { readonly name: string; readonly version: string } | null;
    };
    readonly steps: readonly string[];
  }[];
  readonly approval: {
    readonly count: number;
    readonly roles: readonly string[];
    readonly deadlineSeconds: number;
  } | null;
  readonly deadlineSeconds: number;
  readonly blockers: readonly ReasonView[];
}
