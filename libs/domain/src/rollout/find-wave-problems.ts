import { MAX_STAGES, type RolloutInputs, type WaveInput } from './rollout-inputs.ts';
import type { RolloutProblem } from './rollout-problem.ts';

/** What is wrong with the waves of a rollout whatever its targets are. */
export function findWaveProblems(
  { strategy, waves = [] }: Partial<RolloutInputs>,
  hasRouter: boolean,
): readonly RolloutProblem[] {
  const problems: RolloutProblem[] = [];
  const say = (at: number, member: keyof WaveInput | null, message: string): void => {
    problems.push({ path: ['waves', at, ...(member === null ? [] : [member])], message });
  };
  if (waves.length > MAX_STAGES) say(MAX_STAGES, null, `There can be ${MAX_STAGES} at most.`);
  if (strategy === 'ab' && waves.length > 2) {
    say(2, null, 'ab has two: the experiment, and all the rest.');
  }
  const names = new Set<string>();
  let share = 0;
  for (const [at, wave] of waves.entries()) {
    const before = waves[at - 1];
    // The experiment is never the last one: all the rest follows.
    const isLast = at === waves.length - 1 && !(strategy === 'ab' && at === 0);
    if (wave.name !== undefined) {
      if (names.has(wave.name))
        say(at, 'name', `Another wave is called ${wave.name}: choose another.`);
      names.add(wave.name);
    }
    sayReach(at, wave, before, isLast);
    if (wave.share === undefined) continue;
    if (strategy === 'waves') {
      say(at, 'share', 'waves moves no requests: take it out, or write canary and a router.');
      continue;
    }
    if (!hasRouter) say(at, 'share', 'Without a router nobody moves requests: name one.');
    if (!Number.isInteger(permilleOf(wave.share))) {
      say(at, 'share', `${wave.share} has more than one decimal.`);
    }
    if (wave.share < share) {
      say(at, 'share', `Shares must not fall, and the wave before has ${share}.`);
    }
    if (isLast && wave.share !== 100) {
      say(
        at,
        'share',
        'Nobody has the version of before after the last wave: write 100, or nothing.',
      );
    }
    share = Math.max(share, wave.share);
  }
  return problems;

  function sayReach(
    at: number,
    wave: WaveInput,
    before: WaveInput | undefined,
    isLast: boolean,
  ): void {
    const { targets, percent } = wave;
    if (targets !== undefined && percent !== undefined) {
      say(at, 'percent', 'targets says it, too: take one of them out.');
    }
    if (targets === 0) say(at, 'targets', 'Each wave has a target at least.');
    const isOpen = targets === undefined && percent === undefined;
    if (isOpen && !isLast && (before === undefined || strategy === 'waves')) {
      say(at, null, 'Say how many have the new version at its end: targets, or percent.');
    }
    if (percent !== undefined && percent < (before?.percent ?? 0)) {
      say(at, 'percent', `It counts the waves before, and the one before has ${before?.percent}.`);
    }
    if (targets !== undefined && targets < (before?.targets ?? 0)) {
      say(at, 'targets', `It counts the waves before, and the one before has ${before?.targets}.`);
    }
    if (isLast && percent !== undefined && percent < 100) {
      say(at, 'percent', 'The last wave has all targets: write 100, or nothing.');
    }
  }
}

/** Of a percentage: whole exactly where it has one decimal at most. */
export function permilleOf(percent: number): number {
  // 4.1 * 10 is 41 and 1.1 * 10 is 11.000000000000002.
  return Math.round(percent * 1e7) / 1e6;
}
