import { resolve } from 'node:path';
import { formatPromotionAt } from './at-text.ts';
import { readHistory } from './history-replayer.ts';
import { readPromotionAt } from './promotion-at.ts';
import { openReplayWorker } from './replay-worker.ts';
import { openPalette } from './text.ts';
import { readKeys, type ToolIo } from './tool-io.ts';
import { OWN_BUNDLE, readWorkflowBundle } from './workflow-bundle.ts';

/** Options of `at`. */
export interface AtCommand {
  readonly input: string;
  readonly event: number;
  readonly key: string | undefined;
  readonly bundle: string | undefined;
  readonly format: 'text' | 'json';
}

/**
 * Shows a promotion as it was at one event.
 * @returns 0, or 1 when the code does not fit the history as far as that event
 */
export async function atCommand(command: AtCommand, io: ToolIo): Promise<number> {
  const keys = await readKeys(command.key);
  const { code } = await readWorkflowBundle(resolve(command.bundle ?? OWN_BUNDLE));
  const read = await readHistory(command.input, keys);
  const worker = openReplayWorker(code, { watch: 'commands' });
  try {
    const hasTasks = (read.history.events ?? []).some(
      ({ workflowTaskStartedEventAttributes: task }) => task != null,
    );
    const { activations, problem } = hasTasks
      ? await worker.replay(read.history, read.head.workflowId)
      : { activations: [], problem: undefined };
    const seen = readPromotionAt(read, activations, command.event);
    const known = activations.at(-1)?.event ?? 0;
    if (problem !== undefined && known < command.event) {
      io.err(
        `This workflow code does not fit the history from event ${known} on: what it says of the state is no proof.\n` +
          'Name the build that recorded it with --bundle, or see `run` for the mismatch.\n',
      );
    }
    const isJson = command.format === 'json';
    const text = isJson ? `${JSON.stringify(seen, null, 2)}\n` : undefined;
    io.out(text ?? formatPromotionAt(seen, openPalette(io.isColoured)));
    return problem !== undefined && known < command.event ? 1 : 0;
  } finally {
    await worker.close();
  }
}
