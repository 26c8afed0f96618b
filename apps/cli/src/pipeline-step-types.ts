import { describeSchema, type ObjectSchema, type StepType, type ValueSchema } from '@sluice/domain';
import { BUILT_IN_MANIFESTS, type StepTypeManifest } from '@sluice/pipeline';
import type { CommandContext } from './command-context.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { wrapped } from './text-layout.ts';

/** Carries out `sluice pipeline steps`. */
export function printStepTypes(
  context: CommandContext,
  _: unknown,
  [name]: readonly string[],
): ExitCode {
  if (name === undefined) {
    const stepTypes = BUILT_IN_MANIFESTS.map(({ stepType }) => stepType);
    context.print(stepTypes, () => describeAll(stepTypes));
  } else {
    const manifest = findManifest(name);
    const { stepType, text, effectText } = manifest;
    context.print({ ...stepType, text, effectText }, () => describe(manifest));
  }
  return EXIT_CODES.ok;
}

function findManifest(name: string): StepTypeManifest {
  const found = BUILT_IN_MANIFESTS.filter(
    ({ stepType }) => name === stepType.type || name === nameOf(stepType),
  ).at(-1);
  if (found !== undefined) return found;
  const known = BUILT_IN_MANIFESTS.map(({ stepType }) => nameOf(stepType)).join(', ');
  const message = `There is no step type "${name}".`;
  throw new CliError(EXIT_CODES.usage, 'step-type-unknown', message, `There are: ${known}.`);
}

function describeAll(stepTypes: readonly StepType[]): string {
  const rows = stepTypes.map((type) => [
    nameOf(type),
    type.effect,
    type.compensation === null ? '-' : 'yes',
    type.title,
  ]);
  const lines = [['TYPE', 'EFFECT', 'UNDONE', 'DOES'], ...rows].map(
    ([name = '', effect = '', undone = '', title = '']) =>
      wrapped(`${name.padEnd(12)}${effect.padEnd(15)}${undone.padEnd(8)}${title}`, 35),
  );
  return `${lines.join('')}\nOne in detail: sluice pipeline steps <type>\n`;
}

function describe({ stepType, text, effectText }: StepTypeManifest): string {
  return [
    `${nameOf(stepType)}\n`,
    wrapped(stepType.title),
    `\n${wrapped(plain(text))}`,
    members('inputs', '!', stepType.inputs, stepType.choices ?? []),
    members('outputs', '?', stepType.outputs, []),
    stepType.declaresOutputs === undefined
      ? ''
      : `  and what its input ${stepType.declaresOutputs} declares\n`,
    '\n',
    ...facts(stepType, effectText).map(([name, fact]) =>
      wrapped(`${name.padEnd(12)}  ${plain(fact)}`, 14),
    ),
  ].join('');
}

/** Members, and those of objects whose members are named. `!`: required; `?`: may be missing. */
function members(
  title: string,
  sign: '!' | '?',
  schema: ObjectSchema,
  choices: NonNullable<StepType['choices']>,
): string {
  const rows = [...listMembers(schema)];
  if (rows.length === 0) return `\n${title}: none\n`;
  const width = Math.max(...rows.map(([name]) => name.length)) + 1;
  const lines = rows.map(([name, member, isRequired]) => {
    const mark = isRequired === (sign === '!') ? sign : '';
    const what = [clauseOf(describeSchema(member)), member.description ?? ''].join('. ');
    return wrapped(`  ${`${name}${mark}`.padEnd(width)}  ${plain(what)}`, width + 4);
  });
  const rules = choices.map(
    ({ inputs, required }) => `  ${required ? 'exactly' : 'at most'} one of ${inputs.join(', ')}\n`,
  );
  const meaning = sign === '!' ? '! is required' : '? may be missing';
  const isMarked = rows.some(([, , isRequired]) => isRequired === (sign === '!'));
  return `\n${title}${isMarked ? ` (${meaning})` : ''}:\n${lines.join('')}${rules.join('')}`;
}

function* listMembers(
  schema: ObjectSchema,
  prefix = '',
): Iterable<readonly [string, ValueSchema, boolean]> {
  for (const [name, member] of Object.entries(schema.properties)) {
    const isRequired = schema.required?.includes(name) === true;
    yield [`${prefix}${name}`, member, isRequired];
    if (member.type === 'object') yield* listMembers(member, `${prefix}${name}.`);
  }
}

function facts(type: StepType, effectText: string | null): readonly (readonly [string, string])[] {
  const { retry, compensation } = type;
  const { attempts, backoffSeconds = 1, terminal = [] } = retry;
  const again =
    attempts === 1 ? '1 attempt' : `${attempts} attempts, the second after ${time(backoffSeconds)}`;
  const never = terminal.length === 0 ? '' : `; not after ${terminal.join(', ')}`;
  const rows: (readonly [string, string])[] = [
    ['runs', type.kind === 'control' ? 'in the interpreter' : runs(type)],
    ['timeout', timeoutOf(type)],
    ['retry', `${again}${never}`],
    ['effect', effectText === null ? type.effect : `${type.effect}. ${effectText}`],
  ];
  if (type.idempotencyKey !== null) rows.push(['key', type.idempotencyKey]);
  rows.push(['compensation', compensation === null ? 'none' : undoing(compensation)]);
  if (type.secretInputs?.length) rows.push(['secrets', type.secretInputs.join(', ')]);
  if (type.literalInputs?.length) rows.push(['never wired', type.literalInputs.join(', ')]);
  return rows;
}

function timeoutOf({ type, timeoutSeconds, maxTimeoutSeconds, durationInput }: StepType): string {
  if (type === 'pipeline') return 'its steps have theirs';
  const longer = `a minute more than ${durationInput} says`;
  const most = `; at most ${time(maxTimeoutSeconds)}`;
  if (durationInput === undefined) return time(timeoutSeconds) + most;
  const isOnly = timeoutSeconds === maxTimeoutSeconds;
  return (isOnly ? longer : `${time(timeoutSeconds)}, or ${longer}`) + most;
}

function runs(type: StepType): string {
  const where = type.perTarget ? 'once per target' : 'once';
  const granted = type.capabilities.join(', ');
  return granted === '' ? where : `${where}, with ${granted}`;
}

function undoing({
  undoes,
  byHand,
  timeoutSeconds,
  onlyWith,
}: NonNullable<StepType['compensation']>) {
  const when = onlyWith === undefined ? '' : ` Only with the input ${onlyWith}.`;
  return `${undoes}${when} Its timeout is ${time(timeoutSeconds)}. When it fails: ${byHand}`;
}

/** `7 d 1 min`. */
function time(seconds: number): string {
  let rest = seconds;
  const parts: string[] = [];
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    if (count > 0) parts.push(`${count} ${unit}`);
    rest -= count * size;
  }
  return parts.length === 0 ? '0 s' : parts.join(' ');
}

const UNITS = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
  ['s', 1],
] as const;

/** The registry's texts are Markdown. */
function plain(text: string): string {
  return text.replaceAll('`', '');
}

function clauseOf(text: string): string {
  return text.replace(/\.$/, '');
}

function nameOf({ type, version }: StepType): string {
  return `${type}@${version}`;
}
