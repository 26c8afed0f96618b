import {
  type InputValue,
  type ParameterTemplate,
  PIPELINE_TEMPLATE_SCHEMA,
  type PipelineTemplate,
  type StepTemplate,
  type StepType,
  type StepTypeRef,
  type StepTypes,
} from '@sluice/domain';
import type { Pipelines } from './rendering.ts';

/** Step types that have as much as the samples need, and no more. */
export const SAMPLE_STEP_TYPES: StepTypes = new Map(
  [
    sampleType('scan', {}),
    sampleType('gate', {}),
    sampleType('plan', {}),
    sampleType('approval', { kind: 'control', queue: null, timeoutSeconds: 86_400 }),
    sampleType('deploy', {
      timeoutSeconds: 900,
      perTarget: true,
      changesTargets: true,
      compensation: {
        undoes: 'Puts the targets back to the release that they had.',
        byHand: 'Promote the release before.',
        timeoutSeconds: 900,
      },
    }),
    sampleType('verify', { perTarget: true }),
    sampleType('script', {
      timeoutSeconds: 600,
      compensation: {
        undoes: 'Runs its undo script.',
        byHand: 'Run the undo script.',
        timeoutSeconds: 600,
      },
    }),
    sampleType('soak', { kind: 'control', queue: null, timeoutSeconds: 3600 }),
    sampleType('http', {
      retry: { attempts: 3, backoffSeconds: 2, maxBackoffSeconds: 60, terminal: ['http-refused'] },
    }),
    sampleType('notify', { timeoutSeconds: 30 }),
    sampleType('noop', { kind: 'control', queue: null }),
    sampleType('pause', {
      kind: 'control',
      queue: null,
      inputs: { type: 'object', properties: { seconds: { type: 'integer' } } },
      maxTimeoutSeconds: 3600,
      durationInput: 'seconds',
    }),
    sampleType('pipeline', { kind: 'control', queue: null }),
  ].map((type) => [`${type.type}@${type.version}`, type]),
);

function sampleType(type: string, members: Partial<StepType>): StepType {
  return {
    type,
    version: 1,
    title: `Does ${type}.`,
    kind: 'activity',
    queue: 'control',
    inputs: { type: 'object', properties: {}, additional: { type: 'any' } },
    outputs: { type: 'object', properties: {}, additional: { type: 'any' } },
    timeoutSeconds: 300,
    maxTimeoutSeconds: 604_800,
    retry: { attempts: 3 },
    capabilities: [],
    idempotencyKey: 'promotion/step',
    effect: 'none',
    compensation: null,
    perTarget: false,
    changesTargets: false,
    ...members,
  };
}

/** A step without ceremony. */
export function sampleStep(
  id: string,
  type: string,
  needs: readonly string[] = [],
  members: Partial<Omit<StepTemplate, 'id' | 'type' | 'needs'>> = {},
): StepTemplate {
  return { id, type: `${type}@1` as StepTypeRef, needs, ...members };
}

/** A pipeline without ceremony. */
export function samplePipeline(
  name: string,
  steps: readonly StepTemplate[],
  members: Partial<Omit<PipelineTemplate, 'name' | 'steps' | 'schema'>> = {},
): PipelineTemplate {
  return { schema: PIPELINE_TEMPLATE_SCHEMA, name, version: 1, ...members, steps };
}

/** By `name@version`. */
export function samplePipelines(...pipelines: readonly PipelineTemplate[]): Pipelines {
  return new Map(pipelines.map((pipeline) => [`${pipeline.name}@${pipeline.version}`, pipeline]));
}

/** A parameter that is a text. */
export function textParameter(value?: string): ParameterTemplate {
  const schema = { type: 'string' } as const;
  return value === undefined ? { schema } : { schema, default: value };
}

/** Inputs of a step that runs a sub-pipeline. */
export function callOf(
  name: string,
  parameters?: Readonly<Record<string, InputValue>>,
): Readonly<Record<string, InputValue>> {
  const pipeline = { name, version: 1 };
  return parameters === undefined
    ? { pipeline }
    : { pipeline, parameters: parameters as InputValue };
}

/** One build, three regions at once, and one word at the end. */
export const FAN_OUT = samplePipeline(
  'fan-out',
  [
    sampleStep('scan', 'scan'),
    sampleStep('gate', 'gate', ['scan']),
    sampleStep('plan', 'plan', ['gate']),
    ...['eu', 'us', 'ap'].flatMap((region) => [
      sampleStep(`deploy-${region}`, 'deploy', ['plan'], { inputs: { labels: { region } } }),
      sampleStep(`verify-${region}`, 'verify', [`deploy-${region}`], {
        inputs: { labels: { region } },
      }),
    ]),
    sampleStep('announce', 'notify', ['verify-eu', 'verify-us', 'verify-ap'], {
      inputs: { channel: 'releases' },
    }),
  ],
  { description: 'Three regions at once' },
);

/** The smallest graph with a fork and a join. */
export const DIAMOND = samplePipeline('diamond', [
  sampleStep('plan', 'plan'),
  sampleStep('left', 'script', ['plan']),
  sampleStep('right', 'script', ['plan'], { if: 'environment.name == "production"' }),
  sampleStep('join', 'verify', ['left', 'right']),
]);

/** One step for three regions. */
export const REGIONS = samplePipeline(
  'regions',
  [
    sampleStep('plan', 'plan'),
    sampleStep('approve', 'approval', ['plan']),
    sampleStep('rollout', 'script', ['approve'], {
      matrix: {
        over: { values: ['eu-west', 'us-east', 'ap-south'] },
        maxParallel: 2,
        policy: 'minimum',
        minimum: 2,
      },
      inputs: { region: { ref: 'matrix' }, image: { ref: 'parameters.image' } },
    }),
    sampleStep('soak', 'soak', ['rollout']),
    sampleStep('tell', 'notify', ['soak'], { continueOnFailure: true }),
  ],
  { parameters: { image: textParameter('shop') } },
);

/** A database migration that is undone, and words for every end. */
export const MIGRATION = samplePipeline(
  'migration',
  [
    sampleStep('backup', 'script', [], { compensate: false, concurrencyGroup: 'database' }),
    sampleStep('approve', 'approval', ['backup'], { if: 'environment.name == "production"' }),
    sampleStep('migrate', 'script', ['approve'], {
      description: 'Expands the schema; the old release still works with it',
      concurrencyGroup: 'database',
      timeoutSeconds: 1800,
      inputs: { script: 'set -eu\nsqitch deploy --verify\n', undo: 'sqitch revert' },
    }),
    sampleStep('plan', 'plan', ['migrate']),
    sampleStep('deploy', 'deploy', ['plan']),
    sampleStep('verify', 'verify', ['deploy'], { retry: { attempts: 5, backoffSeconds: 10 } }),
    sampleStep('cleanup', 'script', ['backup', 'verify'], { when: 'always', compensate: false }),
    sampleStep('page', 'http', [], { when: 'onFailure', inputs: { url: 'https://pager.test/' } }),
    sampleStep('withdrawn', 'notify', [], { when: 'onCancel' }),
  ],
  { description: 'Schema first, then the release' },
);

/** Forty steps, one after the other. */
export const CHAIN = samplePipeline(
  'chain',
  Array.from({ length: 40 }, (_, at) =>
    sampleStep(`step-${at + 1}`, 'script', at === 0 ? [] : [`step-${at}`]),
  ),
);

/** Numbers in [0, 1) that are the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** The same JSON value with the members of every object in another order. */
export function shuffledMembers<T>(value: T, random: () => number): T {
  if (Array.isArray(value)) return value.map((item) => shuffledMembers(item, random)) as T;
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value)
    .map(([name, member]) => [random(), name, shuffledMembers(member, random)] as const)
    .sort(([a], [b]) => a - b);
  return Object.fromEntries(entries.map(([, name, member]) => [name, member])) as T;
}

/** A pipeline and what it extends and contains, without problems: the same for the same seed. */
export function randomPipelines(seed: number): {
  readonly template: PipelineTemplate;
  readonly pipelines: Pipelines;
} {
  const random = seededRandom(seed);
  const upTo = (limit: number) => Math.floor(random() * limit);
  const made: PipelineTemplate[] = [];
  for (let level = 0; level < 4; level += 1) {
    const steps: StepTemplate[] = [];
    for (let at = 0; at < 2 + upTo(6); at += 1) {
      const needs = steps.map(({ id }) => id).filter(() => random() < 0.4);
      const called = random() < 0.3 ? made[upTo(made.length)] : undefined;
      if (called !== undefined) {
        const given = steps.find(({ id, type }) => needs.includes(id) && type !== 'pipeline@1');
        const region: InputValue =
          given === undefined ? `r${at}` : { ref: `steps.${given.id}.outputs.region` };
        const inputs = callOf(called.name, { region });
        const step = sampleStep(`part-${at}`, 'pipeline', needs, { inputs });
        steps.push(random() < 0.3 ? { ...step, if: 'promotion.kind == "release"' } : step);
        continue;
      }
      const when = (['success', 'success', 'always', 'onFailure'] as const)[upTo(4)] ?? 'success';
      const first = steps.find(({ id, type }) => needs.includes(id) && type !== 'pipeline@1');
      steps.push(
        sampleStep(`do-${at}`, ['script', 'deploy', 'http'][upTo(3)] as string, needs, {
          when,
          inputs: { region: { ref: 'parameters.region' }, nested: { b: at, a: [{ d: 1, c: 2 }] } },
          ...(first === undefined
            ? {}
            : { if: `steps["${first.id}"].outcome != parameters.region` }),
        }),
      );
    }
    const base = made.length > 0 && random() < 0.4 ? made[upTo(made.length)] : undefined;
    const extended = { extends: { name: base?.name ?? '', version: 1 } };
    made.push(
      samplePipeline(`level-${level}`, steps, {
        ...(base === undefined ? {} : extended),
        parameters: { region: textParameter('eu') },
        environments: { production: { parameters: { region: `p${level}` } } },
      }),
    );
  }
  return { template: made.at(-1) as PipelineTemplate, pipelines: samplePipelines(...made) };
}
