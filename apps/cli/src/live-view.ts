import { printable } from '@sluice/pure';
import type { CliIo, Terminal } from './cli-io.ts';
import { describeMove } from './difference-text.ts';
import { problemLine, waysOut } from './problem-text.ts';
import { describeEvent, describeWait, duration } from './progress-text.ts';
import { lineOf } from './rollout-text.ts';
import { membersText, stateText } from './step-text.ts';
import { wrapped } from './text-layout.ts';
import type { EventView, ProgressPromotionView } from './watch-operations.ts';

const REDRAW_MS = 1000;
const MAX_EVENTS = 8;

const MARKS: Readonly<Record<string, readonly [string, Colour]>> = {
  PENDING: ['·', 'dim'],
  RUNNING: ['▶', 'cyan'],
  WAITING: ['◷', 'yellow'],
  SUCCEEDED: ['✓', 'green'],
  PARTIAL: ['◐', 'yellow'],
  FAILED: ['✗', 'red'],
  SKIPPED: ['-', 'dim'],
  CANCELLED: ['✗', 'yellow'],
  REVERTED: ['↩', 'yellow'],
};
const TONES: Readonly<Record<string, Colour>> = {
  SUCCEEDED: 'green',
  CONFIRMED: 'green',
  DENIED: 'red',
  FAILED: 'red',
  REFUSED: 'red',
  LOST: 'red',
  REVERTED: 'yellow',
  CANCELLED: 'yellow',
  WAITING: 'yellow',
};
const CODES = { dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;
type Colour = keyof typeof CODES;

/** One line as parts of text, each with its colour or none; cut to the width before it is coloured. */
type Line = readonly (readonly [string, Colour?])[];

/** What a live view shows. */
export interface LiveState {
  readonly promotion: ProgressPromotionView;
  /** The newest last. */
  readonly events: readonly EventView[];
  /** Said below everything, such as that the connection is lost. */
  readonly note: string;
}

/** A part of the screen that is drawn over itself. */
export interface LiveView {
  show(state: LiveState): void;
  /** Draws it a last time and leaves it there; again, it does nothing. */
  close(): void;
}

/** Begins a live view in the terminal that the output goes to. */
export function openLiveView(io: CliIo): LiveView {
  let state: LiveState | undefined;
  let drawn = 0;
  let isClosed = false;
  const draw = (): void => {
    const terminal = io.terminal();
    if (state === undefined || terminal === undefined) return;
    const lines = renderProgress(state, io.now(), terminal, isColoured(io));
    const back = drawn === 0 ? '' : `\u001b[${drawn}A`;
    io.out(`${back}\r\u001b[0J${lines.map((line) => `${line}\n`).join('')}`);
    drawn = lines.length;
  };
  const stop = io.every(REDRAW_MS, draw);
  return {
    show: (next) => {
      state = next;
      draw();
    },
    close: () => {
      if (isClosed) return;
      isClosed = true;
      stop();
      draw();
    },
  };
}

/**
 * The lines of a live view: no more than the terminal has, and none wider.
 * @param now milliseconds since the epoch
 */
export function renderProgress(
  { promotion, events, note }: LiveState,
  now: number,
  { columns, rows }: Terminal,
  coloured: boolean,
): readonly string[] {
  const head = [headOf(promotion, now), [], ...stepLines(promotion.steps, now, rows)];
  const waits: Line[] = describeWait(promotion).map((text) => [[`  ${text}`, 'yellow']]);
  const below: Line[] = waits.length === 0 ? [] : [[], ...waits];
  below.push(...rolloutLines(promotion, now));
  below.push(...problemLines(promotion, columns - 1));
  below.push(...compensationLines(promotion, columns - 1));
  if (promotion.deployments.length > 0) below.push([], ...promotion.deployments.map(targetLine));
  const tail: Line[] = note === '' ? [] : [[], [[`  ${note}`, 'yellow']]];
  // One line less, for the cursor stands below the last one.
  const room = Math.max(0, rows - 1 - head.length - below.length - tail.length - 1);
  const shown = events.slice(-Math.min(MAX_EVENTS, room)).slice(room === 0 ? events.length : 0);
  const latest: Line[] = shown.map((event) => [[`  ${describeEvent(event)}`, 'dim']]);
  const lines = [...head, ...below, ...(latest.length > 0 ? [[], ...latest] : []), ...tail];
  return lines.slice(0, Math.max(1, rows - 1)).map((line) => paint(line, columns - 1, coloured));
}

/** Where the rollouts stand that have not ended. */
function rolloutLines({ rollouts = [] }: ProgressPromotionView, now: number): readonly Line[] {
  const open = rollouts.filter(({ endedAt }) => endedAt === null);
  if (open.length === 0) return [];
  const colour = (state: string): Colour => (state === 'PAUSED' ? 'yellow' : 'cyan');
  return [
    [],
    ...open.map((one): Line => [[`  ${one.step}: ${lineOf(one, now)}`, colour(one.state)]]),
  ];
}

function problemLines({ id, problem }: ProgressPromotionView, width: number): readonly Line[] {
  if (problem === null) return [];
  const lines = (text: string, colour: Colour): Line[] =>
    wrapped(text, 4, width)
      .trimEnd()
      .split('\n')
      .map((line) => [[line, colour]]);
  const ways = waysOut(id, problem).flatMap((way) => lines(`  ${way}`, 'yellow'));
  return [[], ...lines(`  ${problemLine(problem)}`, 'red'), ...ways];
}

function headOf(promotion: ProgressPromotionView, now: number): Line {
  const { id, state, requestedAt, startedAt, endedAt } = promotion;
  const until = endedAt === null ? now : Date.parse(endedAt);
  return [
    [`${id}  ${describeMove(promotion)}  `],
    [state.toLowerCase(), TONES[state] ?? 'cyan'],
    [`  ${duration(until - Date.parse(startedAt ?? requestedAt))}`, 'dim'],
  ];
}

type Step = ProgressPromotionView['steps'][number];

/** Rows of the terminal that are not for steps. */
const OTHER_ROWS = 14;

/** All steps where they fit; else those that are not simply done or to come, and how many others there are. */
function stepLines(steps: readonly Step[], now: number, rows: number): readonly Line[] {
  const room = Math.max(5, rows - OTHER_ROWS);
  const isTooMuch = steps.length > room;
  const notable = isTooMuch ? steps.filter(({ state }) => !QUIET.includes(state)) : steps;
  const shown = notable.slice(-room);
  const widest = (lengths: readonly number[], least: number, most: number): number =>
    Math.min(most, Math.max(least, ...lengths));
  const names = widest(
    shown.map(({ id }) => id.length),
    12,
    32,
  );
  const states = widest(
    shown.map((step) => stateText(step).length),
    10,
    24,
  );
  const lines = shown.map((step) => stepLine(step, now, { names, states }));
  if (shown.length === steps.length) return lines;
  const counts = new Map<string, number>();
  for (const step of steps) {
    if (!shown.includes(step)) counts.set(step.state, (counts.get(step.state) ?? 0) + 1);
  }
  const others = [...counts].map(([state, count]) => `${count} ${state.toLowerCase()}`).join(', ');
  return [...lines, [[`  … and ${others}`, 'dim']]];
}

const QUIET = ['PENDING', 'SUCCEEDED', 'SKIPPED'];

function stepLine(
  step: Step,
  now: number,
  width: { readonly names: number; readonly states: number },
): Line {
  const [mark, colour] = MARKS[step.state] ?? ['?', 'dim'];
  const isOpen = step.state === 'RUNNING' || step.state === 'WAITING';
  const time =
    step.seconds !== null
      ? duration(step.seconds * 1000)
      : isOpen && step.startedAt !== null
        ? duration(now - Date.parse(step.startedAt))
        : '';
  return [
    [`  ${mark} `, colour],
    [`${step.id.padEnd(width.names)} `],
    [stateText(step).padEnd(width.states), colour],
    [` ${time.padStart(8)}`, 'dim'],
    [step.reason === null ? '' : `  ${step.reason.code}`, colour],
    [othersText(step), 'dim'],
  ];
}

/** Members that did not simply succeed, while there are some. */
function othersText({ memberCounts }: Step): string {
  const text = membersText(memberCounts);
  return text === '' ? '' : `  (${text})`;
}

/** What was put back so far, and what a person has to do. */
function compensationLines(
  { compensation }: ProgressPromotionView,
  width: number,
): readonly Line[] {
  if (compensation === null) return [];
  const hands = compensation.steps.filter(({ byHand }) => byHand !== null);
  const counts = ['UNDONE', 'OPEN', 'FAILED', 'LEFT'].map((state) => {
    return compensation.steps.filter((step) => step.state === state).length;
  });
  const [undone = 0, open = 0, failed = 0, left = 0] = counts;
  const head = `  undone ${undone}, to be undone ${open}, failed ${failed}, left ${left}`;
  const byHand = hands.flatMap(({ step, byHand: text }) =>
    wrapped(`  by hand, ${step}: ${text}`, 4, width).trimEnd().split('\n'),
  );
  return [[], [[head, 'yellow']], ...byHand.map((line): Line => [[line, 'red']])];
}

function targetLine({
  target,
  state,
  failure,
}: ProgressPromotionView['deployments'][number]): Line {
  return [
    [`    ${target.name.padEnd(24)} `],
    [state.toLowerCase().padEnd(10), TONES[state] ?? 'dim'],
    [failure === null ? '' : `  ${failure.code}: ${failure.message}`, 'red'],
  ];
}

function paint(line: Line, width: number, coloured: boolean): string {
  let room = width;
  let text = '';
  for (const [part, colour] of line) {
    const characters = [...printable(part)];
    const isCut = characters.length > room;
    const shown = isCut ? `${characters.slice(0, room - 1).join('')}…` : characters.join('');
    if (room <= 0 || shown === '') continue;
    room -= isCut ? room : characters.length;
    text += colour === undefined || !coloured ? shown : `\u001b[${CODES[colour]}m${shown}\u001b[0m`;
  }
  return text.trimEnd();
}

/** By https://no-color.org: set and not empty means no colours. */
function isColoured({ env }: CliIo): boolean {
  return (env['NO_COLOR'] ?? '') === '';
}
