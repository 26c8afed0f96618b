import type { Logger } from '@sluice/observability';
import type { createTemporalClient } from '@sluice/temporal-client';

type Client = Awaited<ReturnType<typeof createTemporalClient>>;

const PERIOD_MS = 5000;
const ANSWER_MS = 3000;

/**
 * Asks the engine now and then whether it answers: the workers' own pollers wait for it in silence.
 * @param onState told of each answer
 * @returns ends the watch
 */
export function watchEngine(
  client: Client,
  logger: Logger,
  onState: (state: 'running' | 'away') => void,
): () => void {
  let isAway = false;
  const ask = async (): Promise<void> => {
    try {
      await client.withDeadline(Date.now() + ANSWER_MS, () =>
        client.workflowService.getSystemInfo({}),
      );
      if (isAway) logger.info('Temporal answers again');
      isAway = false;
    } catch (error) {
      if (!isAway) logger.warn({ err: error }, 'Temporal does not answer; work waits for it');
      isAway = true;
    }
    onState(isAway ? 'away' : 'running');
  };
  const timer = setInterval(() => void ask(), PERIOD_MS);
  return () => clearInterval(timer);
}
