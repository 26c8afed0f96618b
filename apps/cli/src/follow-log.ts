import { printable } from '@sluice/pure';
import type { ApiClient } from './api-client.ts';
import type { CommandContext } from './command-context.ts';
import { type CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import type { LogChunkView } from './log-operations.ts';
import { headOf, openLogWriter } from './log-text.ts';
import { OPERATIONS } from './operations.ts';
import { getPromotion, isEnded } from './promotion-reference.ts';
import { isStreamLost } from './subscription-client.ts';
import { clause } from './text-layout.ts';

const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 15_000;
/** So long without one good connection, and the API counts as gone. */
const PATIENCE_MS = 5 * 60_000;

const UNSETTLED = ['PENDING', 'RUNNING', 'WAITING'];

/** Which logs are followed. */
export interface FollowedLog {
  readonly promotion: string;
  readonly step: string;
  readonly member: string | null;
}

/**
 * Prints what a step writes until it has ended, over as many connections as that takes: nothing twice, nothing left out.
 * @param after position behind which to begin
 * @throws CliError when the API refuses, or does not answer for five minutes
 */
export async function followLog(
  context: CommandContext,
  api: ApiClient,
  scope: FollowedLog,
  after: string | undefined,
): Promise<ExitCode> {
  const { io, options } = context;
  const isJson = options.json === true;
  const writer = openLogWriter(io);
  let shown = '';
  const show = (chunk: LogChunkView): void => {
    if (isJson) {
      io.out(`${JSON.stringify(chunk)}\n`);
      return;
    }
    const head = headOf(chunk.log);
    if (head !== shown) {
      writer.end();
      // The first attempt needs no heading.
      if (shown !== '' || chunk.log.attempt > 1) io.err(`${head}:\n`);
      shown = head;
    }
    writer.write(chunk.text);
    const { droppedBytes } = chunk.log;
    if (chunk.text === '' && droppedBytes > 0) io.err(`${head}: ${droppedBytes} bytes left out.\n`);
  };
  try {
    await follow(context, api, scope, after, show);
    return EXIT_CODES.ok;
  } catch (error) {
    const { name, code, message, next, exitCode } = error as CliError;
    if (!isJson || name !== 'CliError') throw error;
    io.out(`${JSON.stringify({ error: { code, message, next } })}\n`);
    return exitCode;
  } finally {
    if (!isJson) writer.end();
  }
}

async function follow(
  { io }: CommandContext,
  api: ApiClient,
  scope: FollowedLog,
  after: string | undefined,
  show: (chunk: LogChunkView) => void,
): Promise<void> {
  let position = after;
  let pause = FIRST_PAUSE_MS;
  let lostAt: number | undefined;
  let wasQuiet = false;
  for (;;) {
    try {
      let isQuiet = true;
      const variables = { ...scope, after: position ?? null };
      const messages = api.stream<{ stepLogAppended: LogChunkView }>(
        OPERATIONS.stepLogAppended,
        variables,
        () => {
          lostAt = undefined;
        },
      );
      for await (const { stepLogAppended: chunk } of messages) {
        pause = FIRST_PAUSE_MS;
        isQuiet = false;
        position = chunk.position;
        show(chunk);
      }
      // Completed: the step is settled, or this API process stops. A member ends before its step, and then is quiet when it is asked again.
      if ((isQuiet && wasQuiet) || (await isSettled(api, scope))) return;
      wasQuiet = isQuiet;
    } catch (error) {
      const isLost =
        isStreamLost(error) || (error as { code?: unknown }).code === 'api-unreachable';
      if (!isLost) throw error;
      lostAt ??= io.now();
      if (io.now() - lostAt > PATIENCE_MS) throw error;
      const what = clause((error as Error).message);
      io.err(printable(`Connection lost (${what}); trying again in ${pause / 1000} s.`) + '\n');
    }
    await io.sleep(pause);
    pause = Math.min(MAX_PAUSE_MS, pause * 2);
  }
}

async function isSettled(api: ApiClient, { promotion, step }: FollowedLog): Promise<boolean> {
  const shown = await getPromotion(api, promotion);
  if (isEnded(shown)) return true;
  const found = shown.steps.find(({ id }) => id === step);
  return found !== undefined && !UNSETTLED.includes(found.state);
}
