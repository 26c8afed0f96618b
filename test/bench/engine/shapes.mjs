/** The pipelines of the bench: chains, steps side by side, a matrix over targets; and the bare workflow of each shape. */

/** Task queue of the baseline's worker. */
export const BARE_QUEUE = 'bench-bare';

const MEMBERS = 1000;
/** As the interpreter has it: members of a shard, and members in flight. */
const SHARD = 200;
const TOGETHER = 100;

/** Each shape: its name, how many executions it has, its steps, and the bare workflow. Small ones are those of `--quick`. */
export const SHAPES = [
  chain(10, 3),
  chain(20, 5),
  chain(100, 2),
  chain(1000, 1),
  parallel(20, 5),
  matrix(MEMBERS, 2),
  { ...matrix(MEMBERS / 5, 1), isExtra: true },
];

/** The shapes of these names; of `--quick`, or those of a whole run, when none is named. */
export function chooseShapes(names, quick) {
  const unknown = names.filter((name) => !SHAPES.some((shape) => shape.name === name));
  if (unknown.length > 0) {
    throw new Error(`There is no size ${unknown.join(', ')}; there is: ${listNames(SHAPES)}.`);
  }
  if (names.length > 0) return SHAPES.filter(({ name }) => names.includes(name));
  return SHAPES.filter(({ executions, isExtra }) => (quick ? executions <= 200 : !isExtra));
}

/** What `--help` says of the sizes. */
export function describeShapes() {
  return [
    `sizes of a whole run: ${listNames(chooseShapes([], false))}`,
    `with --quick, one round each: ${listNames(chooseShapes([], true))}`,
    '--only=chain-20,parallel-20: these alone; --rounds=N: so often each',
    "--profile=DIR: processor profiles of Sluice's worker, one file for each of its threads",
  ];
}

function listNames(shapes) {
  return shapes.map(({ name }) => name).join(', ');
}

/** What `pipelines` of a configuration names. */
export function templateOf({ name, steps }) {
  return { schema: 'sluice.pipeline/v2', name, version: 1, steps };
}

function chain(steps, rounds) {
  return {
    name: `chain-${steps}`,
    title: `chain of ${steps}`,
    executions: steps,
    rounds,
    steps: Array.from({ length: steps }, (_, index) => ({
      id: `step-${index}`,
      type: 'noop@1',
      ...(index === 0 ? {} : { needs: [`step-${index - 1}`] }),
    })),
    bare: ['bareChain', steps],
  };
}

function parallel(steps, rounds) {
  return {
    name: `parallel-${steps}`,
    title: `${steps} in parallel`,
    executions: steps,
    rounds,
    steps: Array.from({ length: steps }, (_, index) => ({ id: `step-${index}`, type: 'noop@1' })),
    bare: ['bareParallel', steps],
  };
}

function matrix(members, rounds) {
  const over = { over: { targets: {} }, maxParallel: TOGETHER };
  return {
    name: `matrix-${members}`,
    title: `matrix of ${members} targets`,
    executions: members,
    targets: members,
    rounds,
    steps: [{ id: 'fan', type: 'noop@1', matrix: over }],
    bare: ['bareMatrix', members, SHARD, TOGETHER],
  };
}
