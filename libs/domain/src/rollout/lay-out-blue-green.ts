import type { RolloutTarget } from './lay-out-rollout.ts';
import type { RolloutInputs } from './rollout-inputs.ts';
import type { RolloutProblem } from './rollout-problem.ts';
import { composeStage, type PlacedStages } from './stage-terms.ts';

/** The group that does not serve is made new, then gets all requests; where that is wanted, the other one is made new after it has held. */
export function layOutBlueGreen(
  inputs: RolloutInputs,
  targets: readonly RolloutTarget[],
  serving: readonly string[] | null,
): PlacedStages {
  const { groupLabel = '' } = inputs;
  const groups = groupBy(targets, groupLabel);
  const problem = problemOf(groupLabel, targets, groups);
  if (problem !== null) return { ok: false, problems: [problem] };
  const values = [...groups.keys()].sort();
  const serves = (value: string | undefined): boolean =>
    (groups.get(value ?? '') ?? []).some((name) => serving?.includes(name) === true);
  const [first, second] = values;
  // Where both serve, or none, the later name is the idle one: then it is emptied before anything is put there.
  const idle = serves(second) && !serves(first) ? first : second;
  const fresh = groups.get(idle ?? '') ?? [];
  const old = groups.get((idle === first ? second : first) ?? '') ?? [];
  const to = fresh.length;
  const count = targets.length;
  const deploy = composeStage(inputs, count, {
    index: 0,
    name: 'deploy',
    from: 0,
    to,
    canaryPermille: 0,
    isWatched: false,
  });
  const stages = [
    { ...deploy, pause: inputs.pauseBeforeSwitch === true },
    composeStage(inputs, count, { index: 1, name: 'switch', from: to, to, canaryPermille: 1000 }),
  ];
  if (inputs.retire !== true) return { ok: true, order: fresh, stages };
  const retire = composeStage(inputs, count, {
    index: 2,
    name: 'retire',
    from: to,
    to: count,
    canaryPermille: 1000,
    isWatched: false,
  });
  return { ok: true, order: [...fresh, ...old], stages: [...stages, retire] };
}

/** Names by the label's value; those without it are not there. */
function groupBy(
  targets: readonly RolloutTarget[],
  label: string,
): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>();
  for (const { name, labels } of targets) {
    const value = Object.hasOwn(labels, label) ? labels[label] : undefined;
    if (value === undefined) continue;
    const group = groups.get(value);
    if (group === undefined) groups.set(value, [name]);
    else group.push(name);
  }
  return groups;
}

function problemOf(
  label: string,
  targets: readonly RolloutTarget[],
  groups: ReadonlyMap<string, readonly string[]>,
): RolloutProblem | null {
  const grouped = new Set([...groups.values()].flat());
  const without = targets.find(({ name }) => !grouped.has(name));
  const path = ['groupLabel'];
  if (without !== undefined) {
    return {
      path,
      message: `Target ${without.name} has no label ${label}: give it one of the two groups.`,
    };
  }
  if (groups.size === 2) return null;
  const values = [...groups.keys()].sort().slice(0, 5).join(', ');
  return {
    path,
    message: `The targets have ${groups.size} groups (${values}); blue-green takes two.`,
  };
}
