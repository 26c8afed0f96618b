import { printable } from '@sluice/pure';
import { clause } from './text-layout.ts';
import type { EventView, ProgressPromotionView, RolloutLineView } from './watch-operations.ts';

const DIGEST = /^sha256:[0-9a-f]{64}$/;
const MAX_VALUE = 60;

/** Seconds as people read them: `0.4 s`, `12.3 s`, `4:05`, `1:02:03`. */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds / 1000);
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.floor(seconds);
  const pad = (value: number): string => String(value).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  const rest = pad(whole % 60);
  return hours === 0 ? `${minutes}:${rest}` : `${hours}:${pad(minutes)}:${rest}`;
}

/** The time of day of an instant, in UTC: `12:00:03`. */
export function timeOfDay(instant: string): string {
  return instant.slice(11, 19);
}

/** A digest short enough to look at; never use it to name something. */
export function shortDigest(digest: string): string {
  return DIGEST.test(digest) ? `${digest.slice(0, 19)}…` : digest;
}

/** One event as one line: when, what kind, and what it carries. */
export function describeEvent({ type, subject, actor, data, occurredAt }: EventView): string {
  const { step, state, reason, ...rest } = data;
  const what: string[] = [];
  if (type === 'step.state-changed') what.push(`${text(step)} ${text(state)}`);
  else if (step !== undefined) what.push(`${text(step)}`);
  if (type !== 'step.state-changed' && state !== undefined) what.push(text(state));
  if (reason !== undefined && reason !== null) what.push(`(${text(codeOf(reason))})`);
  if (subject.startsWith('target:')) what.unshift(subject.slice('target:'.length));
  if (actor.startsWith('principal:')) what.push(`by ${actor.slice('principal:'.length)}`);
  for (const [name, value] of Object.entries(rest)) {
    if (['string', 'number', 'boolean'].includes(typeof value)) {
      what.push(`${name}=${shortDigest(text(value))}`);
    }
  }
  return `${timeOfDay(occurredAt)}  ${type.padEnd(24)}  ${printable(what.join(' '))}`.trimEnd();
}

/** What an approval that is waited for still needs, and which rollouts wait for somebody; empty when nothing does. */
export function describeWait(promotion: ProgressPromotionView): readonly string[] {
  const { id, approval, rollouts = [] } = promotion;
  const paused = rollouts
    .filter(({ state }) => state === 'PAUSED')
    .flatMap((one) => pauseOf(id, one));
  if (approval?.state !== 'WAITING') return paused;
  const { rule, decisions, deadline, blockedForMe } = approval;
  const yes = decisions.filter(({ recorded, decision }) => recorded && decision === 'APPROVE');
  const who = rule.roles.join(' or ');
  return [
    `${yes.length} of ${rule.count} ${rule.count === 1 ? 'approval' : 'approvals'}, from ${who}, until ${minuteOf(deadline)} UTC`,
    blockedForMe === null
      ? `You can decide: sluice approve ${id}`
      : `You cannot decide: ${clause(blockedForMe.message)}`,
    ...paused,
  ];
}

function pauseOf(id: string, { step, pausedUntil, reason }: RolloutLineView): readonly string[] {
  const until = pausedUntil === null ? '' : `, until ${minuteOf(pausedUntil)} UTC`;
  const why = reason === null ? '' : ` (${reason.code})`;
  return [`Rollout of ${step} is paused${why}${until}`, `Steer it: sluice rollout show ${id}`];
}

type PromotionEnd = Pick<
  ProgressPromotionView,
  'id' | 'state' | 'startedAt' | 'requestedAt' | 'endedAt' | 'reason'
>;

/** How it ended, in one line. */
export function describeEnd(promotion: PromotionEnd): string {
  const { id, state, startedAt, requestedAt, endedAt, reason } = promotion;
  const took =
    endedAt === null
      ? ''
      : ` after ${duration(Date.parse(endedAt) - Date.parse(startedAt ?? requestedAt))}`;
  const why = reason === null ? '' : `: ${reason.code}: ${reason.message}`;
  return `${id} ${state.toLowerCase()}${took}${why}`;
}

/** An instant to the minute: `2026-11-21 12:00`. */
export function minuteOf(instant: string): string {
  return instant.slice(0, 16).replace('T', ' ');
}

/** Some events carry the code alone, some the whole reason. */
function codeOf(reason: unknown): unknown {
  return (reason as { readonly code?: unknown }).code ?? reason;
}

function text(value: unknown): string {
  const said = typeof value === 'string' ? value : JSON.stringify(value ?? '');
  return said.length <= MAX_VALUE || DIGEST.test(said) ? said : `${said.slice(0, MAX_VALUE - 1)}…`;
}
