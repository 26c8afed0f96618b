import type { StackClient } from '../stack-client.ts';

const STEP_LOGS = `query ($id: ID!, $step: ID!) {
  stepLogs(promotion: $id, step: $step, first: 20) {
    edges { node { attempt purpose digest endedAt } }
  }
}`;

const STEP_LOG = `query ($id: ID!, $step: ID!, $attempt: Int, $purpose: LogPurpose) {
  stepLog(promotion: $id, step: $step, attempt: $attempt, purpose: $purpose) { text }
}`;

/** The log of one attempt of a step, as the API shows it. */
export interface ShownLog {
  readonly attempt: number;
  readonly purpose: 'RUN' | 'COMPENSATE';
  /** Null while it is not kept. */
  readonly digest: string | null;
  readonly text: string;
}

/** All logs of a step's runs, by attempt; those of its compensation behind them. */
export async function readStepLogs(
  client: StackClient,
  promotion: string,
  step: string,
): Promise<readonly ShownLog[]> {
  const { stepLogs } = await client.ask<{
    stepLogs: { edges: readonly { node: Omit<ShownLog, 'text'> }[] };
  }>(STEP_LOGS, { id: promotion, step });
  const logs = stepLogs.edges.map(({ node }) => node);
  logs.sort((a, b) => b.purpose.localeCompare(a.purpose) || a.attempt - b.attempt);
  return Promise.all(
    logs.map(async (log) => {
      const { attempt, purpose } = log;
      const { stepLog } = await client.ask<{ stepLog: { text: string } | null }>(STEP_LOG, {
        ...{ id: promotion, step, attempt, purpose },
      });
      return { ...log, text: stepLog?.text ?? '' };
    }),
  );
}
