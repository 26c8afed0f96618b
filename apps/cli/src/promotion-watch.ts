import { printable } from '@sluice/pure';
import type { ApiClient } from './api-client.ts';
import type { CliIo } from './cli-io.ts';
import type { CommandContext } from './command-context.ts';
import { describeMove } from './difference-text.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { type LiveView, openLiveView } from './live-view.ts';
import { OPERATIONS, type PromotionView } from './operations.ts';
import { describeProblem } from './problem-text.ts';
import { describeEnd, describeEvent, describeWait } from './progress-text.ts';
import { getPromotion, isEnded } from './promotion-reference.ts';
import { describeCompensation } from './step-text.ts';
import { isStreamLost } from './subscription-client.ts';
import { clause, wrapped } from './text-layout.ts';
import type { EventView, ProgressView } from './watch-operations.ts';

/** Kept of the events, for the live view. */
const MAX_EVENTS = 50;
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 15_000;
/** So long without one message or answer, and the API counts as gone. */
const PATIENCE_MS = 5 * 60_000;
/** A connection that lived so long counts as one that held. */
const HELD_MS = 30_000;

/** What the messages of a watch become. */
interface Presenter {
  begin(promotion: PromotionView): void;
  show(progress: ProgressView): void;
  /** Something about the connection; empty when all is well again. */
  note(text: string): void;
  end(promotion: PromotionView): void;
  /** Called once, however the watch ends. */
  close(): void;
}

/**
 * Follows a promotion to its sealed end: every event once and in order, over as many connections as that takes.
 * @param after position behind which to begin; its first event when undefined
 * @returns 0 when it succeeded, 1 when it ended otherwise
 * @throws CliError when the API refuses, or does not answer for five minutes
 */
export async function watchPromotion(
  context: CommandContext,
  id: string,
  after?: string,
): Promise<ExitCode> {
  const { io, options } = context;
  const isJson = options.json === true;
  const presenter = isJson
    ? jsonLines(io)
    : io.terminal() === undefined
      ? textLines(io)
      : liveView(io);
  try {
    const api = context.api();
    presenter.begin(await getPromotion(api, id));
    const last = await follow(io, api, id, after, presenter);
    presenter.end(last);
    return last.state === 'SUCCEEDED' ? EXIT_CODES.ok : EXIT_CODES.failed;
  } catch (error) {
    const { name, code, message, next, exitCode } = error as CliError;
    if (!isJson || name !== 'CliError') throw error;
    // One line, as everything before it.
    io.out(`${JSON.stringify({ error: { code, message, next } })}\n`);
    return exitCode;
  } finally {
    presenter.close();
  }
}

async function follow(
  io: CliIo,
  api: ApiClient,
  id: string,
  after: string | undefined,
  presenter: Presenter,
): Promise<PromotionView> {
  let position = after;
  let pause = FIRST_PAUSE_MS;
  let lostAt: number | undefined;
  let openedAt: number | undefined;
  const calm = (): void => {
    presenter.note('');
    openedAt = io.now();
  };
  for (;;) {
    openedAt = undefined;
    try {
      const variables = { promotion: id, after: position ?? null };
      const messages = api.stream<{ promotionProgress: ProgressView }>(
        OPERATIONS.promotionProgress,
        variables,
        calm,
      );
      for await (const { promotionProgress: progress } of messages) {
        pause = FIRST_PAUSE_MS;
        lostAt = undefined;
        if (!isBehind(progress.position, position)) continue;
        position = progress.position;
        presenter.show(progress);
      }
      // Completed: behind its seal, or because this API process stops.
      const promotion = await getPromotion(api, id);
      if (isEnded(promotion)) return promotion;
    } catch (error) {
      if (!isWorthAnotherTry(error)) throw error;
      // A connection can be silent for hours and good all the while: one that held was no failed try.
      if (openedAt !== undefined && io.now() - openedAt > HELD_MS) lostAt = undefined;
      lostAt ??= io.now();
      if (io.now() - lostAt > PATIENCE_MS) throw gone(api.url, id, position, error);
      const seconds = (pause / 1000).toFixed(1);
      const what = clause((error as Error).message);
      presenter.note(`Connection lost (${what}); trying again in ${seconds} s.`);
    }
    await io.sleep(pause);
    pause = Math.min(MAX_PAUSE_MS, pause * 2);
  }
}

/** Positions are whole numbers, as text because they may outgrow a double. */
function isBehind(position: string, last: string | undefined): boolean {
  return last === undefined || BigInt(position) > BigInt(last);
}

function isWorthAnotherTry(error: unknown): boolean {
  return isStreamLost(error) || (error as { code?: unknown }).code === 'api-unreachable';
}

function gone(url: string, id: string, position: string | undefined, error: unknown): CliError {
  const text = clause((error as Error).message);
  const from = position === undefined ? '' : ` --after ${position}`;
  return new CliError(
    EXIT_CODES.unreachable,
    'api-unreachable',
    `The API at ${url} has been away for five minutes: ${text}.`,
    `The promotion goes on without being watched. Later: sluice promotion watch ${id}${from}.`,
  );
}

function jsonLines(io: CliIo): Presenter {
  return {
    begin: () => undefined,
    show: (progress) => io.out(`${JSON.stringify(progress)}\n`),
    note: (text) => {
      if (text !== '') io.err(`${printable(text)}\n`);
    },
    end: () => undefined,
    close: () => undefined,
  };
}

function textLines(io: CliIo): Presenter {
  let waits = '';
  let stuck = '';
  return {
    begin: (promotion) => io.out(`${printable(`${promotion.id}  ${describeMove(promotion)}`)}\n`),
    show: ({ event, promotion }) => {
      io.out(`${describeEvent(event)}\n`);
      const lines = describeWait(promotion)
        .map((line) => wrapped(`          ${line}`, 10))
        .join('');
      if (lines !== waits) io.out(lines);
      waits = lines;
      const { id, problem } = promotion;
      // Each attempt is no news.
      const code = problem?.code ?? '';
      if (problem !== null && code !== stuck) io.out(describeProblem(id, problem));
      stuck = code;
    },
    note: (text) => {
      if (text !== '') io.err(wrapped(text, 2));
    },
    end: (promotion) => {
      io.out(wrapped(describeEnd(promotion), 2));
      io.out(describeCompensation(promotion));
    },
    close: () => undefined,
  };
}

function liveView(io: CliIo): Presenter {
  const view: LiveView = openLiveView(io);
  let last: ProgressView | undefined;
  let events: readonly EventView[] = [];
  let note = '';
  const draw = (): void => {
    if (last !== undefined) view.show({ promotion: last.promotion, events, note });
    else if (note !== '') io.err(`${printable(note)}\n`);
  };
  return {
    begin: () => undefined,
    show: (progress) => {
      last = progress;
      events = [...events, progress.event].slice(-MAX_EVENTS);
      draw();
    },
    note: (text) => {
      if (text === note) return;
      note = text;
      draw();
    },
    end: (promotion) => {
      const { state, startedAt, endedAt, reason } = promotion;
      if (last !== undefined) {
        last = { ...last, promotion: { ...last.promotion, state, startedAt, endedAt, reason } };
        draw();
      }
      view.close();
      // Whole, for a reason can be longer than a line of the view.
      io.out(`\n${wrapped(describeEnd(promotion), 2)}${describeCompensation(promotion)}`);
    },
    close: () => {
      view.close();
    },
  };
}
