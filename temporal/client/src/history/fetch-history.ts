import type { Client } from '@temporalio/client';
import proto from '@temporalio/proto';
import { HistoryFileError } from './history-file-error.ts';
import {
  assertWhole,
  type History,
  type HistoryEvent,
  MAX_HISTORY_BYTES,
} from './history-message.ts';

const { HistoryEvent: EventMessage } = proto.temporal.api.history.v1;
const PAGE = 500;

/**
 * The whole history of one run as the engine has it, payloads encoded; of a run that goes on, what there is now.
 * @throws HistoryFileError `history-too-large`; what the engine answers (gRPC code 5 when it does not know the run)
 */
export async function fetchHistory(
  client: Client,
  run: { readonly workflowId: string; readonly runId: string },
): Promise<History> {
  const events: HistoryEvent[] = [];
  let size = 0;
  let nextPageToken: Uint8Array | undefined;
  do {
    const answer = await client.workflowService.getWorkflowExecutionHistory({
      namespace: client.options.namespace,
      execution: run,
      maximumPageSize: PAGE,
      ...(nextPageToken === undefined ? {} : { nextPageToken }),
    });
    for (const event of answer.history?.events ?? []) {
      size += EventMessage.encode(event).len;
      events.push(event);
    }
    if (size > MAX_HISTORY_BYTES) {
      throw new HistoryFileError(
        'history-too-large',
        `The history of ${run.workflowId} (run ${run.runId}) has more than ${MAX_HISTORY_BYTES} bytes.`,
      );
    }
    nextPageToken = answer.nextPageToken?.length ? answer.nextPageToken : undefined;
  } while (nextPageToken !== undefined);
  return assertWhole({ events });
}
