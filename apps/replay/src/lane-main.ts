import { loadCodecKeys } from '@sluice/temporal-client';
import { type HistoryReplayer, openHistoryReplayer } from './history-replayer.ts';
import type { LaneAnswer, LaneRequest, LaneSettings } from './lane-messages.ts';
import { readWorkflowBundle } from './workflow-bundle.ts';

/*
 * One lane: a process that replays one history after the other, as it is told over its channel. It is a process of its own
 * because workflow code runs in the thread that also reads histories, and because a history that breaks it breaks only it.
 */
let replayer: HistoryReplayer | undefined;

/** An answer without the lane's memory. */
type Bare = LaneAnswer extends infer Answer
  ? Answer extends LaneAnswer
    ? Omit<Answer, 'memory'>
    : never
  : never;

async function open({ bundle, key, compareInputs }: LaneSettings): Promise<HistoryReplayer> {
  const code = await readWorkflowBundle(bundle);
  const keys = key === undefined ? undefined : await loadCodecKeys(key);
  return openHistoryReplayer({ bundle: code, keys, compareInputs });
}

async function answer(request: LaneRequest): Promise<Bare> {
  if (request.kind === 'settings') {
    replayer = await open(request.settings);
    return { kind: 'ready' };
  }
  if (replayer === undefined) throw new Error('The lane was asked before it was set up.');
  if (request.kind === 'replay') {
    return { kind: 'replayed', replayed: await replayer.replayFile(request.file) };
  }
  return { kind: 'fits', fits: (await replayer.fits(request.file, request.bundle)) ?? null };
}

process.on('message', (request: LaneRequest) => {
  void answer(request)
    .catch((error: Error): Bare => ({ kind: 'failed', message: error.message }))
    .then((bare) => process.send?.({ ...bare, memory: process.memoryUsage().rss } as LaneAnswer));
});
// Workflow code in an endless loop keeps this from being sent.
setInterval(() => {
  process.send?.({ kind: 'alive', memory: process.memoryUsage().rss } satisfies LaneAnswer);
}, 2000);
// Nobody waits for what is under way any more.
process.on('disconnect', () => process.exit(0));
// A terminal sends these to the whole group; whoever started this lane ends it.
for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
