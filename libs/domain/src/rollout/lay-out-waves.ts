import { permilleOf } from './find-wave-problems.ts';
import type { RolloutTarget } from './lay-out-rollout.ts';
import type { RolloutInputs, WaveInput } from './rollout-inputs.ts';
import type { RolloutStage } from './rollout-layout.ts';
import type { RolloutProblem } from './rollout-problem.ts';
import { composeStage, type PlacedStages, percentOf } from './stage-terms.ts';

/** Waves where none are given. Percent. */
const DEFAULT_WAVES: readonly number[] = [10, 50, 100];

/** Shares of a canary, of targets and of requests, where none are given. Percent. */
const DEFAULT_SHARES: readonly number[] = [5, 25, 50, 100];

/** Stages of every strategy but `blue-green`, for inputs that are sound in themselves. */
export function layOutWaves(
  inputs: RolloutInputs,
  targets: readonly RolloutTarget[],
  isFirst: boolean,
): PlacedStages {
  const count = targets.length;
  const { strategy } = inputs;
  if (isFirst && (strategy === 'canary' || strategy === 'ab')) return layOutFirst(inputs, targets);
  const waves = wavesOf(inputs);
  const problems: RolloutProblem[] = [];
  const stages: RolloutStage[] = [];
  const names = new Set<string>();
  let from = 0;
  let permille = 0;
  for (const [at, wave] of waves.entries()) {
    const isLast = at === waves.length - 1;
    const to = reachOf(wave, count, isLast ? count : from);
    const moved = inputs.router === undefined ? null : shareOf(inputs, wave, to, count, isLast);
    const canaryPermille = moved === null ? null : Math.max(moved, permille);
    const problem = problemOf({ at, wave, from, to, count, isLast, canaryPermille });
    if (problem !== null) problems.push(problem);
    const name = nameOf(inputs, wave, at, isLast);
    if (names.has(name)) {
      problems.push({ path: ['waves', at, 'name'], message: `Two waves would be called ${name}.` });
    }
    names.add(name);
    // With few targets several waves have the same: who would see a difference between them?
    const isIdle = to === from && (canaryPermille ?? 0) === permille && wave.pause !== true;
    const parts = { index: stages.length, name, from, to, canaryPermille, wave };
    if (!isIdle) stages.push(composeStage(inputs, count, parts));
    from = Math.max(from, to);
    permille = canaryPermille ?? 0;
  }
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, order: targets.map(({ name }) => name), stages };
}

/** What nobody can be compared with, and nobody has yet. */
function layOutFirst(inputs: RolloutInputs, targets: readonly RolloutTarget[]): PlacedStages {
  const canaryPermille = inputs.router === undefined ? null : 1000;
  const parts = { index: 0, name: 'first', from: 0, to: targets.length, canaryPermille };
  const stage = composeStage(inputs, targets.length, parts);
  const order = targets.map(({ name }) => name);
  return { ok: true, order, stages: [{ ...stage, analyse: false }] };
}

function wavesOf({ strategy, waves, router }: RolloutInputs): readonly WaveInput[] {
  switch (strategy) {
    case 'waves':
      return waves ?? DEFAULT_WAVES.map((percent) => ({ percent }));
    case 'canary': {
      const shares = DEFAULT_SHARES.map((percent) =>
        router === undefined ? { percent } : { percent, share: percent },
      );
      return waves ?? shares;
    }
    case 'ab': {
      const [experiment = { targets: 1 }, rest = {}] = waves ?? [];
      return [experiment, rest];
    }
    default:
      return [{}];
  }
}

function reachOf({ targets, percent }: WaveInput, count: number, otherwise: number): number {
  if (targets !== undefined) return Math.min(targets, count);
  return percent === undefined ? otherwise : percentOf(count, percent);
}

/** Without one of its own a wave of a canary has the share of its targets; the experiment none but who fits. */
function shareOf(
  { strategy }: RolloutInputs,
  { share }: WaveInput,
  to: number,
  count: number,
  isLast: boolean,
): number {
  if (isLast) return 1000;
  if (share !== undefined) return Math.round(permilleOf(share));
  return strategy === 'ab' ? 0 : Math.floor((1000 * to) / count);
}

interface Reach extends Pick<RolloutStage, 'from' | 'to' | 'canaryPermille'> {
  readonly at: number;
  readonly wave: WaveInput;
  readonly count: number;
  readonly isLast: boolean;
}

function problemOf({
  at,
  wave,
  from,
  to,
  count,
  isLast,
  canaryPermille,
}: Reach): RolloutProblem | null {
  const member = wave.targets === undefined ? 'percent' : 'targets';
  const path = ['waves', at, member];
  if (to < from) {
    return {
      path,
      message: `It has ${to} of ${count} targets, and the waves before it have ${from}.`,
    };
  }
  if (isLast && to < count) {
    return { path, message: `The last wave has ${to} of ${count} targets: write all, or nothing.` };
  }
  if (isLast || canaryPermille === null || canaryPermille === 1000 || to < count) return null;
  const left = `nobody has the version of before, and ${1000 - canaryPermille} ‰ of the requests are to go there`;
  return { path, message: `It has all of ${count} targets: ${left}. Write less, or add targets.` };
}

function nameOf(
  { strategy }: RolloutInputs,
  { name }: WaveInput,
  at: number,
  isLast: boolean,
): string {
  if (name !== undefined) return name;
  if (strategy === 'all-at-once' || strategy === 'rolling') return 'all';
  if (strategy === 'ab') return isLast ? 'rest' : 'experiment';
  return `wave-${at + 1}`;
}
