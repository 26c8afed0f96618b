/** What keeps a rollout from being laid out. */
export interface RolloutProblem {
  /** Within the step's inputs: `['waves', 0, 'share']`. */
  readonly path: readonly (string | number)[];
  /** What is wrong with it, and what to write. */
  readonly message: string;
}

/** One problem after the other, each with its place: `waves[0].share: …`. */
export function describeRolloutProblems(problems: readonly RolloutProblem[]): string {
  return problems.map(({ path, message }) => `${placeOf(path)}: ${message}`).join(' ');
}

function placeOf(path: RolloutProblem['path']): string {
  return path
    .map((part, at) => (typeof part === 'number' ? `[${part}]` : at === 0 ? part : `.${part}`))
    .join('');
}
