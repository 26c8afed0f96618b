import {
  DEFAULT_INTERVAL_SECONDS,
  DEFAULT_PAUSE_SECONDS,
  DEFAULT_SOAK_SECONDS,
  MAX_STAGES,
  type ObjectSchema,
  ROLLOUT_STRATEGIES,
  type ValueSchema,
} from '@sluice/domain';

const PERCENT_OF_TARGETS: ValueSchema = {
  type: 'integer',
  description: 'Percent of all targets of the step, rounded up.',
  minimum: 1,
  maximum: 100,
};

const NAME_AND_VALUE: ObjectSchema = {
  type: 'object',
  properties: {
    name: { type: 'string', description: 'Its name.', minLength: 1, maxLength: 64 },
    value: { type: 'string', description: 'The whole value.', minLength: 1, maxLength: 256 },
  },
  required: ['name', 'value'],
};

const WAVE: ObjectSchema = {
  type: 'object',
  description: 'One stage: what has the new version at its end.',
  properties: {
    name: { type: 'string', format: 'name', description: 'Shown; `wave-1` and so on when absent.' },
    targets: {
      type: 'integer',
      description: 'So many targets, those of the stages before counted.',
      minimum: 1,
      maximum: 10_000,
    },
    percent: PERCENT_OF_TARGETS,
    share: {
      type: 'number',
      description:
        'Percent of the requests, with at most one decimal; only with a router. That of its targets when absent.',
      minimum: 0,
      maximum: 100,
    },
    soakSeconds: {
      type: 'integer',
      description: "How long it is watched; the rollout's when absent.",
      minimum: 0,
      maximum: 604_800,
    },
    pause: { type: 'boolean', description: 'Once it has held it waits for a person.' },
  },
};

/** Inputs of `rollout@1`. What a schema cannot say, such as shares that fall, is refused when the rollout is laid out. */
export const ROLLOUT_INPUTS: ObjectSchema = {
  type: 'object',
  properties: {
    strategy: {
      type: 'string',
      enum: [...ROLLOUT_STRATEGIES],
      description: 'How the release reaches the targets.',
    },
    maxUnavailable: {
      type: 'integer',
      description: 'Targets that may be without a working version at a time.',
      minimum: 1,
      maximum: 10_000,
    },
    maxUnavailablePercent: PERCENT_OF_TARGETS,
    waves: {
      type: 'array',
      description: 'The stages, of `waves`, `canary` and `ab`.',
      items: WAVE,
      minItems: 1,
      maxItems: MAX_STAGES,
    },
    groupLabel: {
      type: 'string',
      description: 'Label with the two groups of `blue-green`.',
      minLength: 1,
      maxLength: 128,
    },
    retire: {
      type: 'boolean',
      description: 'Of `blue-green`: makes the old group new, too, once the switch has held.',
    },
    pauseBeforeSwitch: {
      type: 'boolean',
      description:
        'Of `blue-green`: once the idle group is new it waits for a person before requests are switched.',
    },
    match: {
      type: 'array',
      description: 'Requests that see the new version whatever the share, of `ab`.',
      items: {
        type: 'object',
        properties: { header: NAME_AND_VALUE, cookie: NAME_AND_VALUE },
      },
      minItems: 1,
      maxItems: 10,
    },
    router: { type: 'string', format: 'name', description: 'The router that moves requests.' },
    soakSeconds: {
      type: 'integer',
      description: `How long a stage is watched; ${DEFAULT_SOAK_SECONDS} when absent.`,
      minimum: 0,
      maximum: 604_800,
    },
    intervalSeconds: {
      type: 'integer',
      description: `Between two looks; ${DEFAULT_INTERVAL_SECONDS} when absent.`,
      minimum: 1,
      maximum: 3600,
    },
    analysis: {
      type: 'object',
      description: 'Metrics that are compared, new against old; health alone when absent.',
      properties: {},
      additional: { type: 'any' },
    },
    gate: {
      type: 'boolean',
      description: "The environment's policy is asked before each further stage; true when absent.",
    },
    onFail: {
      type: 'string',
      enum: ['revert', 'pause'],
      description: 'What follows where a stage does not hold; revert when absent.',
    },
    onInconclusive: {
      type: 'string',
      enum: ['pause', 'revert'],
      description: 'What follows where nobody can say whether it holds; pause when absent.',
    },
    pauseSeconds: {
      type: 'integer',
      description: `The longest pause, then it is aborted; ${DEFAULT_PAUSE_SECONDS} when absent.`,
      minimum: 1,
      maximum: 604_800,
    },
  },
  required: ['strategy'],
};
