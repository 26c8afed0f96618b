import {
  type Compensation,
  DURATION_RESERVE_SECONDS,
  findInputFaults,
  findSchemaFaults,
  findValueFaults,
  isName,
  type ObjectSchema,
  outputSchemaOf,
  type RetryTemplate,
  STEP_CAPABILITIES,
  STEP_QUEUES,
  type StepType,
  type ValueSchema,
} from '@sluice/domain';
import type { StepTypeManifest } from './step-type-manifest.ts';

/** The longest that any step may take: 30 days, and what a wait of that length has beside. Seconds. */
export const LONGEST_STEP_SECONDS = 2_592_000 + DURATION_RESERVE_SECONDS;

const IDENTIFIER = /^[a-z][A-Za-z0-9]{0,62}$/;
const CODE = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const SENTENCE = /^[A-Z`].*\.$/;

/**
 * What a step type owes its registration and does not give, one sentence each. Empty when it may be registered. Built-in types and those of plugins
 * are asked the same.
 */
export function findConformanceFaults(manifest: StepTypeManifest): readonly string[] {
  const { stepType } = manifest;
  const label = `${stepType.type}@${stepType.version}`;
  return [
    ...checkIdentity(stepType),
    ...checkQueue(stepType),
    ...checkTexts(manifest),
    ...checkSchema('inputs', stepType.inputs),
    ...checkSchema('outputs', stepType.outputs),
    ...checkTimes(stepType),
    ...checkRetry(stepType.kind, stepType.retry),
    ...checkCapabilities(stepType),
    ...checkEffect(stepType),
    ...checkCompensation(stepType, stepType.compensation),
    ...checkInputRoles(stepType),
    ...checkExamples(manifest),
  ].map((fault) => `${label}: ${fault}`);
}

type Faults = readonly string[];

/** The sentences whose claims do not hold. */
function unless(...claims: readonly (readonly [boolean, string])[]): Faults {
  return claims.filter(([holds]) => !holds).map(([, sentence]) => sentence);
}

function checkIdentity({ type, version }: StepType): Faults {
  return unless(
    [isName(type), 'its type is no DNS label.'],
    [Number.isSafeInteger(version) && version >= 1, 'its version is no whole number from 1.'],
  );
}

function checkQueue({ kind, queue }: StepType): Faults {
  const known: readonly string[] = STEP_QUEUES;
  return unless(
    [kind === 'control' || queue !== null, 'an activity has a queue, which says who executes it.'],
    [kind === 'activity' || queue === null, 'a control step has no queue.'],
    [queue === null || known.includes(queue), `its queue is none of ${STEP_QUEUES.join(', ')}.`],
  );
}

function checkTexts({
  stepType: { title, effect },
  place,
  text,
  effectText,
}: StepTypeManifest): Faults {
  return unless(
    [Number.isSafeInteger(place) && place > 0, 'its place is no whole number from 1.'],
    [SENTENCE.test(title) && title.length <= 100, 'its title is no sentence of up to 100.'],
    [SENTENCE.test(text), 'its text is no paragraph that ends with a full stop.'],
    [
      (effectText === null) === (effect === 'none'),
      'effect text and effect contradict each other.',
    ],
    [effectText === null || SENTENCE.test(effectText), 'its effect text does not end with a stop.'],
  );
}

function checkSchema(which: 'inputs' | 'outputs', schema: ObjectSchema): Faults {
  const faults = findSchemaFaults(schema).map(({ message }) => `${which}: ${message}`);
  if (faults.length > 0) return faults;
  return Object.entries(schema.properties).flatMap(([name, member]) =>
    unless(
      [IDENTIFIER.test(name), `${which}: ${name} is no identifier such as storePath.`],
      [member.description?.endsWith('.') === true, `${which}: ${name} has no description.`],
    ),
  );
}

function checkTimes({ timeoutSeconds, maxTimeoutSeconds, ...type }: StepType): Faults {
  const isTime = (value: number): boolean =>
    Number.isSafeInteger(value) && value >= 1 && value <= LONGEST_STEP_SECONDS;
  const faults = unless(
    [isTime(timeoutSeconds) && isTime(maxTimeoutSeconds), 'a timeout is no time from 1 s to 30 d.'],
    [timeoutSeconds <= maxTimeoutSeconds, 'its timeout is over the most that may be asked for.'],
  );
  if (type.durationInput === undefined) return faults;
  const duration = inputAt(type.inputs, type.durationInput);
  if (duration?.type !== 'integer' || duration.maximum === undefined) {
    return [...faults, `its duration ${type.durationInput} is no whole number with a maximum.`];
  }
  const fits = duration.maximum + DURATION_RESERVE_SECONDS <= maxTimeoutSeconds;
  return [...faults, ...unless([fits, 'its longest duration does not fit its longest timeout.'])];
}

function inputAt(schema: ObjectSchema, path: string): ValueSchema | undefined {
  let at: ValueSchema | undefined = schema;
  for (const name of path.split('.')) {
    if (at?.type !== 'object' || !Object.hasOwn(at.properties, name)) return undefined;
    at = at.properties[name];
  }
  return at;
}

function checkRetry(kind: StepType['kind'], retry: RetryTemplate): Faults {
  const { attempts, backoffSeconds = 0, factor = 2, maxBackoffSeconds, terminal = [] } = retry;
  return unless(
    [Number.isSafeInteger(attempts) && attempts >= 1 && attempts <= 100, 'attempts: 1 to 100.'],
    [kind === 'activity' || attempts === 1, 'a control step is not tried again.'],
    [attempts === 1 || backoffSeconds > 0, 'it is tried again without a pause.'],
    [factor >= 1, 'its pauses become shorter.'],
    [(maxBackoffSeconds ?? backoffSeconds) >= backoffSeconds, 'its longest pause is the shortest.'],
    [terminal.every((code) => CODE.test(code)), 'a terminal code is not in kebab-case.'],
    [new Set(terminal).size === terminal.length, 'a terminal code stands twice.'],
  );
}

function checkCapabilities({ capabilities, kind, secretInputs = [] }: StepType): Faults {
  const known: readonly string[] = STEP_CAPABILITIES;
  return unless(
    [capabilities.every((name) => known.includes(name)), 'it wants an unknown capability.'],
    [new Set(capabilities).size === capabilities.length, 'a capability stands twice.'],
    [
      kind === 'activity' || capabilities.every((name) => name === 'records'),
      'a control step has no capability but records.',
    ],
    [
      secretInputs.length === 0 || capabilities.includes('secrets'),
      'it takes secrets without the capability for them.',
    ],
  );
}

function checkEffect(type: StepType): Faults {
  const hasEffect = type.effect !== 'none';
  const isByTarget = type.idempotencyKey === 'promotion/step/target';
  return unless(
    [hasEffect === (type.idempotencyKey !== null), 'an effect has a key, and nothing else has.'],
    [!hasEffect || type.kind === 'activity', 'a control step has no effect of its own.'],
    [hasEffect || type.compensation === null, 'there is a compensation without an effect.'],
    [!hasEffect || isByTarget === type.perTarget, 'key and perTarget contradict each other.'],
    [
      !type.changesTargets || (hasEffect && type.compensation !== null),
      'what changes targets has an effect and a compensation.',
    ],
  );
}

function checkCompensation({ inputs, choices = [] }: StepType, own: Compensation | null): Faults {
  if (own === null) return [];
  const { undoes, byHand, timeoutSeconds, onlyWith } = own;
  const isOptional =
    onlyWith === undefined ||
    (Object.hasOwn(inputs.properties, onlyWith) &&
      inputs.required?.includes(onlyWith) !== true &&
      !choices.some((choice) => choice.inputs.includes(onlyWith)));
  return unless(
    [SENTENCE.test(undoes), 'what its compensation undoes does not end with a full stop.'],
    [SENTENCE.test(byHand), 'what to do by hand does not end with a full stop.'],
    [
      Number.isSafeInteger(timeoutSeconds) && timeoutSeconds >= 1 && timeoutSeconds <= 86_400,
      'its compensation has no timeout from 1 s to 1 d.',
    ],
    [isOptional, 'its compensation hangs on an input that is not there, or always there.'],
  );
}

function checkInputRoles(type: StepType): Faults {
  const { inputs, choices = [], literalInputs = [], secretInputs = [], declaresOutputs } = type;
  const isInput = (name: string): boolean => Object.hasOwn(inputs.properties, name);
  const declaring = declaresOutputs === undefined ? null : inputs.properties[declaresOutputs];
  return unless(
    [
      choices.every((choice) => choice.inputs.length > 1 && choice.inputs.every(isInput)),
      'a choice names one input, or one that is none.',
    ],
    [
      !choices.some((choice) => choice.inputs.some((name) => inputs.required?.includes(name))),
      'an input of a choice is required.',
    ],
    [[...literalInputs, ...secretInputs].every(isInput), 'a literal or secret input is none.'],
    [
      secretInputs.every((name) => inputs.properties[name]?.type === 'string'),
      'a secret input is no text.',
    ],
    [
      declaring === null || (declaring?.type === 'object' && declaring.additional?.type === 'any'),
      'the input that declares outputs is no object of schemas.',
    ],
    [
      declaresOutputs === undefined || literalInputs.includes(declaresOutputs),
      'the input that declares outputs may be wired.',
    ],
  );
}

function checkExamples({ stepType, examples }: StepTypeManifest): Faults {
  const { runs, refused } = examples;
  const faults = [...unless([runs.length > 0, 'no example'], [refused.length > 0, 'none refused'])];
  const shown = { inputs: new Set<string>(), outputs: new Set<string>() };
  for (const [index, { inputs, outputs }] of runs.entries()) {
    const wrong = findInputFaults(stepType, inputs);
    faults.push(...wrong.map(({ message }) => `example ${index}: inputs: ${message}`));
    if (wrong.length > 0) continue;
    const given = findValueFaults(outputSchemaOf(stepType, inputs), outputs);
    faults.push(...given.map(({ message }) => `example ${index}: outputs: ${message}`));
    for (const name of Object.keys(inputs)) shown.inputs.add(name);
    for (const name of Object.keys(outputs)) shown.outputs.add(name);
  }
  for (const which of ['inputs', 'outputs'] as const) {
    const missing = Object.keys(stepType[which].properties).filter((n) => !shown[which].has(n));
    if (missing.length > 0) faults.push(`no example shows ${which} ${missing.join(', ')}.`);
  }
  for (const { why, path, inputs } of refused) {
    const [first] = findInputFaults(stepType, inputs);
    if (first?.path !== path) {
      const where = first === undefined ? 'taken' : `refused at "${first.path}"`;
      faults.push(`the example "${why}" is ${where}, not refused at "${path}".`);
    }
  }
  return faults;
}
