import type { ObjectSchema, RetryTemplate, StepType, ValueSchema } from '@sluice/domain';
import {
  describeSchema,
  MAX_INLINE_BYTES,
  MAX_OUTPUT_BYTES,
  STRING_FORMATS,
  TEXT_FORMATS,
} from '@sluice/domain';
import type { StepTypeManifest } from './step-type-manifest.ts';

const HEAD = `# Step types

What the built-in step types take, give and guarantee. This page is made of the types themselves (\`libs/pipeline/src/step-types\`), which also the
check of pipelines reads; a test fails when the two differ. How to add one: [adding-a-step.md](adding-a-step.md).

An input is a JSON value, or is found when the step begins: \`{ref: …}\`, \`{cel: …}\`, and \`{secret: name}\` where it says so. Values are checked
against the schemas when a pipeline is checked, as far as they are known, and again when the step begins and ends.
`;

const LARGE = `What one execution of a step gives may have ${MAX_OUTPUT_BYTES / 1_048_576} MiB together, as canonical JSON; more fails the step (\`outputs-too-large\`). Up to ${MAX_INLINE_BYTES / 1024} KiB stand in the
records. Of more the largest outputs lie in the evidence store, each by its digest, until the rest fits. Nobody who writes a pipeline sees the difference: \`ref\` and
\`cel\` of inputs read them, a matrix goes over such a list, what is put back gets the inputs that it had. A step may read 16 MiB of them, of the members of
one matrix 8 MiB.

- Conditions (\`if\`), and inputs of control steps, are read by the interpreter, whose history is kept: they may read ${MAX_INLINE_BYTES / 1024} KiB of what one execution gives. An output of its own,
  such as a count, is what to decide by.
- \`sluice promotion outputs <promotion> <step> [name]\` shows outputs of either kind; so do \`stepOutputs\` and \`stepOutput\` of the API.
- One that the evidence store has lost or has otherwise fails whoever reads it (\`output-unavailable\`, \`output-changed\`), and nobody else.
`;

/** The page of all step types: Markdown that ends with a newline. */
export function renderStepTypes(manifests: readonly StepTypeManifest[]): string {
  return [
    HEAD,
    '## All of them\n',
    renderOverview(manifests),
    'A timeout is of one attempt: the default, then the most that a pipeline may ask for. A step whose input says how long its work lasts has that time and',
    'a minute by default. `!` marks a required input, `?` an output that may be missing. Of a step that runs once per target, and of a matrix, each output',
    'is a list.\n',
    '## Exactly once, at least once\n',
    renderEffects(manifests),
    'A key is made of the promotion, the step and its round, and the target or the member of a matrix. A step type that is not in the table has no',
    `effect beside its records, which are written once: ${namesWithoutEffect(manifests)}.\n`,
    ...manifests.map(renderType),
    '## Large outputs\n',
    LARGE,
    '## Forms of texts\n',
    renderForms(),
  ].join('\n');
}

function renderOverview(manifests: readonly StepTypeManifest[]): string {
  const rows = manifests.map(({ stepType }) => [
    `[\`${nameOf(stepType)}\`](#${anchorOf(stepType)})`,
    listInputs(stepType),
    listOutputs(stepType),
    timeoutOf(stepType),
    retryOf(stepType.retry),
    stepType.effect,
    stepType.compensation?.undoes ?? '–',
  ]);
  const heads = ['type', 'inputs', 'outputs', 'timeout', 'tries', 'effect', 'compensation'];
  return renderTable(heads, rows);
}

function renderEffects(manifests: readonly StepTypeManifest[]): string {
  const rows = manifests.flatMap(({ stepType, effectText }) =>
    stepType.effect === 'none'
      ? []
      : [
          [
            `\`${nameOf(stepType)}\``,
            stepType.effect.replace(/-/g, ' '),
            `\`${stepType.idempotencyKey}\``,
            effectText ?? '–',
          ],
        ],
  );
  return renderTable(['type', 'effect', 'key', 'when a worker dies in the middle'], rows);
}

function namesWithoutEffect(manifests: readonly StepTypeManifest[]): string {
  return manifests
    .filter(({ stepType }) => stepType.effect === 'none')
    .map(({ stepType }) => `\`${nameOf(stepType)}\``)
    .join(', ');
}

/** Forms stand once at the end of the page. */
function takes(schema: ValueSchema): string {
  if (schema.type !== 'string' || schema.format === undefined) return describeSchema(schema);
  return `a [${schema.format}](#forms-of-texts)`;
}

function renderForms(): string {
  const rows = STRING_FORMATS.map((format) => [`\`${format}\``, TEXT_FORMATS[format].words]);
  return renderTable(['format', 'is'], rows);
}

function renderType({ stepType, text }: StepTypeManifest): string {
  return [
    `## ${nameOf(stepType)}\n`,
    `${stepType.title} ${text}\n`,
    `${factsOf(stepType)}\n`,
    ...renderMembers('input', stepType.inputs, stepType),
    ...renderMembers('output', stepType.outputs, stepType),
    ...renderCompensation(stepType),
  ].join('\n');
}

function factsOf(type: StepType): string {
  const {
    capabilities,
    choices = [],
    literalInputs = [],
    secretInputs = [],
    retry: { terminal = [] },
  } = type;
  const facts = [
    type.kind === 'control'
      ? 'Carried out by the interpreter itself.'
      : `Capabilities: ${capabilities.join(', ') || 'none'}. Queue: ${type.queue}.`,
    type.perTarget ? 'Runs once per target.' : '',
    type.changesTargets ? "Needs the environment's lease." : '',
    ...choices.map(
      ({ inputs, required }) => `${required ? 'Exactly' : 'At most'} one of ${code(inputs)}.`,
    ),
    literalInputs.length === 0 ? '' : `Never wired: ${code(literalInputs)}.`,
    secretInputs.length === 0 ? '' : `May be a secret: ${code(secretInputs)}.`,
    terminal.length === 0 ? '' : `Not tried again after ${code(terminal)}.`,
  ];
  return facts.filter((fact) => fact !== '').join(' ');
}

function renderMembers(
  word: 'input' | 'output',
  schema: ObjectSchema,
  type: StepType,
): readonly string[] {
  const rows = listMembers(schema).map(([name, member, isRequired]) => [
    `\`${name}\`${marker(word, isRequired)}`,
    takes(member),
    member.description ?? '–',
  ]);
  if (rows.length === 0) return [];
  const more =
    word === 'output' && type.declaresOutputs !== undefined
      ? [`And those that \`${type.declaresOutputs}\` declares.\n`]
      : [];
  return [renderTable([word, word === 'input' ? 'takes' : 'gives', 'is'], rows), ...more];
}

/** Members, and those of objects whose members are named, as `limits.cpus`. */
function listMembers(
  schema: ObjectSchema,
  prefix = '',
): readonly (readonly [string, ValueSchema, boolean])[] {
  return Object.entries(schema.properties).flatMap(([name, member]) => {
    const isRequired = schema.required?.includes(name) === true;
    const own = [`${prefix}${name}`, member, isRequired] as const;
    return member.type === 'object' ? [own, ...listMembers(member, `${prefix}${name}.`)] : [own];
  });
}

function renderCompensation({ compensation }: StepType): readonly string[] {
  if (compensation === null) return [];
  const { undoes, byHand, timeoutSeconds, onlyWith } = compensation;
  const when = onlyWith === undefined ? '' : ` Only with \`${onlyWith}\`.`;
  const limit = `Its timeout is ${formatSeconds(timeoutSeconds)}.`;
  return [`Compensation: ${undoes}${when} ${limit} When it fails: ${byHand}\n`];
}

function listInputs({ inputs }: StepType): string {
  return listTop('input', inputs) || '–';
}

function listOutputs({ outputs, declaresOutputs }: StepType): string {
  const own = listTop('output', outputs);
  const all =
    declaresOutputs === undefined ? own : `${own} and what \`${declaresOutputs}\` declares`;
  return all || '–';
}

function listTop(word: 'input' | 'output', schema: ObjectSchema): string {
  return Object.keys(schema.properties)
    .map((name) => `\`${name}\`${marker(word, schema.required?.includes(name) === true)}`)
    .join(', ');
}

function marker(word: 'input' | 'output', isRequired: boolean): string {
  if (word === 'input') return isRequired ? ' !' : '';
  return isRequired ? '' : ' ?';
}

function timeoutOf({ type, timeoutSeconds, maxTimeoutSeconds }: StepType): string {
  if (type === 'pipeline') return 'its steps have theirs';
  const least = formatSeconds(timeoutSeconds);
  const most = formatSeconds(maxTimeoutSeconds);
  return least === most ? least : `${least}, ${most}`;
}

function retryOf({
  attempts,
  backoffSeconds = 0,
  factor = 2,
  maxBackoffSeconds,
}: RetryTemplate): string {
  if (attempts === 1) return '1';
  const pause = `${attempts}, after ${formatSeconds(backoffSeconds)}`;
  if (attempts === 2) return pause;
  const most = maxBackoffSeconds === undefined ? '' : `, up to ${formatSeconds(maxBackoffSeconds)}`;
  return `${pause}, ×${factor}${most}`;
}

/** `2 d 4 h`. */
function formatSeconds(seconds: number): string {
  const units = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ] as const;
  let rest = seconds;
  const parts: string[] = [];
  for (const [unit, size] of units) {
    const count = Math.floor(rest / size);
    if (count > 0) parts.push(`${count} ${unit}`);
    rest -= count * size;
  }
  return parts.length === 0 ? '0 s' : parts.join(' ');
}

function nameOf({ type, version }: StepType): string {
  return `${type}@${version}`;
}

/** As code hosts make anchors of headings: without what is neither letter nor digit. */
function anchorOf({ type, version }: StepType): string {
  return `${type}${version}`;
}

function code(names: readonly string[]): string {
  return names.map((name) => `\`${name}\``).join(', ');
}

function renderTable(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line), ''].join('\n');
}
