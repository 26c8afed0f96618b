/** The pipelines of the bench: chains, steps side by side, a matrix over targets; and the bare workflow of each shape. */

const MEMBERS = 1000;
/** As the interpreter has it: members of a shard, and members in flight. */
const SHARD = 200;
const TOGETHER = 100;

/** Each shape: its name, how many executions it has, its steps, and the bare workflow. */
export const SHAPES = [
  chain(10, 3),
  chain(20, 3),
  chain(100, 2),
  chain(1000, 1),
  {
    name: 'parallel-20',
    title: '20 in parallel',
    executions: 20,
    rounds: 3,
    steps: Array.from({ length: 20 }, (_, index) => ({ id: `step-${index}`, type: 'noop@1' })),
    bare: ['bareParallel', 20],
  },
  {
    name: 'matrix-1000',
    title: `matrix of ${MEMBERS} targets`,
    executions: MEMBERS,
    targets: MEMBERS,
    rounds: 1,
    steps: [
      {
        id: 'fan',
        type: 'noop@1',
        matrix: { over: { targets: {} }, maxParallel: TOGETHER },
      },
    ],
    bare: ['bareMatrix', MEMBERS, SHARD, TOGETHER],
  },
];

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
