import type { StepTypeExamples } from '../step-type-manifest.ts';

/** Examples of `script@1`. */
export const SCRIPT_EXAMPLES: StepTypeExamples = {
  runs: [
    { inputs: { source: 'true\n' }, outputs: { exitCode: 0, artifacts: {} } },
    {
      inputs: {
        interpreter: ['/bin/sh', '-eu'],
        source: './migrate "$1" > report.txt\necho \'{"applied": 3}\' > outputs.json\n',
        arguments: ['up'],
        environment: { DB_HOST: 'db.example' },
        secrets: { DB_PASSWORD: 'db-password' },
        network: 'all',
        limits: { cpus: 1, memoryMiB: 256, processes: 32, seconds: 300, logBytes: 1_048_576 },
        outputs: { applied: { type: 'integer', minimum: 0 } },
        artifacts: { report: 'report.txt' },
        undo: { arguments: ['down'] },
      },
      outputs: { exitCode: 0, artifacts: { report: `sha256:${'a'.repeat(64)}` }, applied: 3 },
    },
    {
      inputs: {
        file: `sha256:${'b'.repeat(64)}`,
        files: { 'data/seed.json': `sha256:${'c'.repeat(64)}` },
        input: { hosts: ['eu-1', 'eu-2'] },
      },
      outputs: { exitCode: 0, artifacts: {} },
    },
  ],
  refused: [
    { why: 'no script', path: '', inputs: { interpreter: ['/bin/sh'] } },
    {
      why: 'two scripts',
      path: 'file',
      inputs: { source: 'true', file: `sha256:${'b'.repeat(64)}` },
    },
    {
      why: 'a path that leaves the folder',
      path: 'artifacts.a',
      inputs: { source: 'true', artifacts: { a: '../a' } },
    },
    {
      why: 'an output with a schema that is none',
      path: 'outputs.n.type',
      inputs: { source: 'true', outputs: { n: { type: 'int' } } },
    },
    {
      why: 'an output that every script has',
      path: 'outputs.exitCode',
      inputs: { source: 'true', outputs: { exitCode: { type: 'integer' } } },
    },
    {
      why: 'no time at all',
      path: 'limits.seconds',
      inputs: { source: 'true', limits: { seconds: 0 } },
    },
    { why: 'half a network', path: 'network', inputs: { source: 'true', network: 'a.example' } },
  ],
};
