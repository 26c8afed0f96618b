/** GraphQL operations around the logs of steps, and what they select. */

const LOG = `
  fragment LogFields on StepLog {
    step member round attempt purpose bytes droppedBytes digest startedAt endedAt
  }`;

/** These operations, by name. */
export const LOG_OPERATIONS = {
  stepLogs: `query StepLogs($promotion: ID!, $step: ID, $first: Int, $after: String) {
    stepLogs(promotion: $promotion, step: $step, first: $first, after: $after) {
      edges { node { ...LogFields } }
      pageInfo { hasNextPage endCursor }
    }
  } ${LOG}`,
  stepLog: `query StepLog(
    $promotion: ID!, $step: ID!, $member: String, $purpose: LogPurpose, $round: Int, $attempt: Int, $offset: Int
  ) {
    stepLog(
      promotion: $promotion, step: $step, member: $member, purpose: $purpose, round: $round, attempt: $attempt,
      offset: $offset
    ) { offset text nextOffset isEnd log { ...LogFields } }
  } ${LOG}`,
  searchStepLogs: `query SearchStepLogs($promotion: ID!, $text: String!, $step: ID) {
    searchStepLogs(promotion: $promotion, text: $text, step: $step) {
      complete
      matches { line offset text log { ...LogFields } }
    }
  } ${LOG}`,
  stepLogAppended: `subscription StepLogAppended($promotion: ID!, $step: ID!, $member: String, $after: String) {
    stepLogAppended(promotion: $promotion, step: $step, member: $member, after: $after) {
      position offset text log { ...LogFields }
    }
  } ${LOG}`,
} as const;

/** A log as the operations select it. */
export interface StepLogView {
  readonly step: string;
  readonly member: string | null;
  readonly round: number;
  readonly attempt: number;
  readonly purpose: 'RUN' | 'COMPENSATE';
  readonly bytes: number | null;
  readonly droppedBytes: number;
  readonly digest: string | null;
  readonly startedAt: string;
  readonly endedAt: string | null;
}

/** A piece of a log. */
export interface LogPageView {
  readonly offset: number;
  readonly text: string;
  readonly nextOffset: number;
  readonly isEnd: boolean;
  readonly log: StepLogView;
}

/** What a search found. */
export interface LogSearchView {
  readonly complete: boolean;
  readonly matches: readonly {
    readonly line: number;
    readonly offset: number;
    readonly text: string;
    readonly log: StepLogView;
  }[];
}

/** One message of the subscription. */
export interface LogChunkView {
  readonly position: string;
  readonly offset: number;
  /** Empty in the last message of a log. */
  readonly text: string;
  readonly log: StepLogView;
}
