/** From rounds to the results of the bench. */
import { quantile } from '../stack-client.mjs';

/**
 * Four results of a shape. The first spans all of a promotion, from the mutation to the sealed packet, against all of a bare workflow, from
 * its start to its result. The second compares steps with activities: on both sides from the first that was scheduled to the last that was
 * completed, as the engine's histories have it. The third is what one step, with its share of the promotion's frame, costs in processor time of all
 * processes until the seal: it says the same beside other work.
 */
export function toResults({ shape: { title, executions }, rounds }) {
  const rate = (name) => rounds.map((round) => executions / round[name]);
  const share = (name) => rounds.map((round) => round[name] / executions);
  return [
    toResult(`${title}, request to seal`, 'steps/s', rate('seconds'), rate('bareSeconds')),
    toResult(`${title}, steps alone`, 'steps/s', rate('stepSeconds'), rate('bareStepSeconds')),
    ...(rounds.some(({ used, bareUsed }) => used === undefined || bareUsed === undefined)
      ? []
      : [
          toResult(
            `${title}, processor time a step`,
            'ms',
            rounds.map(({ used }) => used.all / executions),
            rounds.map(({ bareUsed }) => bareUsed.all / executions),
          ),
        ]),
    toResult(`${title}, events a step`, 'events', share('events'), share('bareEvents')),
  ];
}

/** What each further step costs: flat when the longer chain's are as dear as the shorter one's. */
export function toSlopes(measured) {
  const chains = measured.filter(({ shape }) => shape.name.startsWith('chain-'));
  return chains.slice(1).map(({ shape, rounds }, index) => {
    const { shape: less, rounds: lessRounds } = chains[index];
    const median = (of, name) =>
      quantile(
        of.map((round) => round[name]),
        0.5,
      );
    const slope = (name) =>
      ((median(rounds, name) - median(lessRounds, name)) * 1000) /
      (shape.executions - less.executions);
    const title = `a step between ${less.executions} and ${shape.executions}`;
    return toResult(title, 'ms', [slope('seconds')], [slope('bareSeconds')]);
  });
}

function toResult(name, unit, values, baselines) {
  const value = quantile(values, 0.5);
  const baseline = quantile(baselines, 0.5);
  return {
    name,
    value,
    baseline,
    ratio: value / baseline,
    unit,
    n: values.length,
    spread: { min: Math.min(...values), max: Math.max(...values) },
  };
}
