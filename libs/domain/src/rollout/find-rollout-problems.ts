import { composeRouteTable, findRouteTableProblem, type RouteMatch } from '../route-table.ts';
import { findWaveProblems } from './find-wave-problems.ts';
import type { RolloutInputs, RolloutStrategy } from './rollout-inputs.ts';
import type { RolloutProblem } from './rollout-problem.ts';

/** Inputs that only some strategies take. */
const TAKEN: readonly (readonly [keyof RolloutInputs, readonly RolloutStrategy[]])[] = [
  ['waves', ['waves', 'canary', 'ab']],
  ['groupLabel', ['blue-green']],
  ['retire', ['blue-green']],
  ['pauseBeforeSwitch', ['blue-green']],
  ['match', ['ab']],
  ['router', ['canary', 'blue-green', 'ab']],
];

/**
 * What is wrong with the inputs of a rollout whatever its targets are, beyond what their schema says.
 * @param wired names of inputs whose values are not known yet; nothing is said that hangs on one of them
 */
export function findRolloutProblems(
  inputs: Partial<RolloutInputs>,
  wired: ReadonlySet<string> = new Set(),
): readonly RolloutProblem[] {
  const { strategy } = inputs;
  if (strategy === undefined) return [];
  const has = (name: keyof RolloutInputs): boolean => inputs[name] !== undefined || wired.has(name);
  const problems: RolloutProblem[] = [];
  const say = (path: RolloutProblem['path'], message: string): void => {
    problems.push({ path, message });
  };
  for (const [name, strategies] of TAKEN) {
    if (!has(name) || strategies.includes(strategy)) continue;
    say([name], `Only ${listed(strategies)} has ${name}, and this is ${strategy}: take it out.`);
  }
  if (has('maxUnavailable') && has('maxUnavailablePercent')) {
    say(['maxUnavailablePercent'], 'maxUnavailable says it, too: take one of them out.');
  }
  if (strategy === 'blue-green' && !has('groupLabel')) {
    say(['groupLabel'], 'blue-green needs the label whose two values are its groups.');
  }
  if ((strategy === 'blue-green' || strategy === 'ab') && !has('router')) {
    say(['router'], `${strategy} moves requests: name the router of the environment that does.`);
  }
  if (strategy === 'ab' && !wired.has('waves') && !has('match') && !hasShare(inputs)) {
    say(['match'], 'ab needs requests that see the new version: a match, or a share of wave 1.');
  }
  if (strategy === 'ab') problems.push(...findMatchProblems(inputs.match ?? []));
  if (isNeverWatched(inputs, wired)) {
    say(['analysis'], 'No stage is watched, so that nothing is compared: give soakSeconds.');
  }
  problems.push(...findWaveProblems(inputs, has('router')));
  return problems;
}

function hasShare({ waves }: Partial<RolloutInputs>): boolean {
  return (waves?.[0]?.share ?? 0) > 0;
}

function isNeverWatched(inputs: Partial<RolloutInputs>, wired: ReadonlySet<string>): boolean {
  const { analysis, waves, soakSeconds } = inputs;
  if (analysis === undefined || wired.has('waves') || wired.has('soakSeconds')) return false;
  return waves === undefined
    ? soakSeconds === 0
    : waves.every((wave) => (wave.soakSeconds ?? soakSeconds) === 0);
}

/** What routers could not be told. */
function findMatchProblems(
  matches: NonNullable<RolloutInputs['match']>,
): readonly RolloutProblem[] {
  return matches.flatMap(({ header, cookie }, at): readonly RolloutProblem[] => {
    const path = ['match', at];
    if ((header === undefined) === (cookie === undefined)) {
      return [{ path, message: 'Exactly one of header and cookie is to be given.' }];
    }
    const match = (header === undefined ? { cookie } : { header }) as RouteMatch;
    const server = (name: string, port: number) => ({ name, address: '127.0.0.1', port });
    const problem = findRouteTableProblem(
      composeRouteTable({
        backend: 'any',
        pools: { stable: [server('a', 1)], canary: [server('b', 2)] },
        canaryPermille: 0,
        match: [match],
      }),
    );
    if (problem === undefined) return [];
    return [{ path, message: `${problem.replace('match[0]', 'It')}.` }];
  });
}

function listed(names: readonly string[]): string {
  const last = names.at(-1) ?? '';
  return names.length < 2 ? last : `${names.slice(0, -1).join(', ')} or ${last}`;
}
