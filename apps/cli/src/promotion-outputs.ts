import { isName } from '@sluice/domain';
import type { Command } from 'commander';
import type { ApiClient } from './api-client.ts';
import type { CliIo } from './cli-io.ts';
import { act, type CommandContext, writeOutput } from './command-context.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { OPERATIONS } from './operations.ts';
import type { StepOutputPageView, StepOutputView } from './output-operations.ts';
import { assertPromotionId, getPromotion } from './promotion-reference.ts';
import { table } from './text-layout.ts';

/** Options of `sluice promotion outputs`. */
export interface OutputsOptions {
  readonly member?: string;
  readonly file?: string;
}

interface Place {
  readonly promotion: string;
  readonly step: string;
  readonly member: string | null;
}

/** Characters of a value that the list shows. */
const SHOWN = 60;

const HELP = `
Without a name: which outputs there are. An output that is too large for the
records is kept by its digest; it is read the same way.`;

/** Adds `sluice promotion outputs`. */
export function addOutputsCommand(
  promotion: Command,
  io: CliIo,
  settle: (exitCode: ExitCode) => void,
): void {
  const outputs = promotion
    .command('outputs <promotion> <step> [name]')
    .description('what a step gave: all that there is, or one value as JSON')
    .option('--member <key>', 'of a step that runs for several: the target, or the number')
    .option('--file <file>', 'write the value there')
    .addHelpText('after', HELP);
  act<OutputsOptions>(outputs, io, settle, showOutputs);
}

async function showOutputs(
  context: CommandContext,
  options: OutputsOptions,
  [promotion = '', step = '', name]: readonly string[],
): Promise<ExitCode> {
  const { member = null, file } = options;
  assertPromotionId(promotion);
  if (!isName(step)) {
    const next = 'See sluice promotion steps.';
    throw new CliError(EXIT_CODES.usage, 'option-invalid', `"${step}" names no step.`, next);
  }
  if (name === undefined && file !== undefined) {
    const next = 'Name the output behind the step.';
    throw new CliError(EXIT_CODES.usage, 'option-invalid', '--file is for one output.', next);
  }
  const api = context.api();
  const place = { promotion, step, member };
  if (name === undefined) return list(context, api, place);
  const { output, text } = await read(api, place, name);
  if (file !== undefined) {
    const written = writeOutput(file, text);
    context.print({ output: { ...output, file: written } }, () => `${written}\n`);
  } else context.print({ output, value: JSON.parse(text) }, () => `${shown(text)}\n`);
  return EXIT_CODES.ok;
}

async function list(context: CommandContext, api: ApiClient, place: Place): Promise<ExitCode> {
  const { stepOutputs: outputs } = await api.run<{ stepOutputs: readonly StepOutputView[] }>(
    OPERATIONS.stepOutputs,
    { ...place },
  );
  if (outputs.length === 0) await assertStep(api, place);
  const rows = outputs.map(({ name, value, digest, bytes }) => [
    name,
    String(bytes),
    digest ?? cut(shown(JSON.stringify(value))),
  ]);
  context.print({ outputs }, () =>
    outputs.length === 0
      ? 'It gave nothing: it has not ended well, or has no outputs.\n'
      : table([{ title: 'OUTPUT' }, { title: 'BYTES' }, { title: 'VALUE' }], rows),
  );
  return EXIT_CODES.ok;
}

/** All pieces of one output, which does not change. */
async function read(
  api: ApiClient,
  place: Place,
  name: string,
): Promise<{ readonly output: StepOutputView; readonly text: string }> {
  const texts: string[] = [];
  for (let offset = 0; ; ) {
    const { stepOutput: page } = await api.run<{ stepOutput: StepOutputPageView | null }>(
      OPERATIONS.stepOutput,
      { ...place, name, offset },
    );
    if (page === null) throw await noOutput(api, place, name);
    const { output, text, problem } = page;
    if (text === null) {
      const { code, message } = problem ?? { code: 'output-unavailable', message: 'No answer.' };
      throw new CliError(EXIT_CODES.failed, code, message);
    }
    texts.push(text);
    if (page.isEnd || page.nextOffset <= offset) return { output, text: texts.join('') };
    offset = page.nextOffset;
  }
}

async function noOutput(api: ApiClient, place: Place, name: string): Promise<CliError> {
  await assertStep(api, place);
  const { promotion, step, member } = place;
  const what = member === null ? step : `${member} of ${step}`;
  const message = `${what} of ${promotion} gave no output ${name}.`;
  const next = `See sluice promotion outputs ${promotion} ${step}; of a step with members, name one with --member.`;
  return new CliError(EXIT_CODES.failed, 'output-not-found', message, next);
}

async function assertStep(api: ApiClient, { promotion, step }: Place): Promise<void> {
  const { steps } = await getPromotion(api, promotion);
  if (steps.length === 0 || steps.some(({ id }) => id === step)) return;
  const message = `${promotion} has no step ${step}.`;
  const next = `It has ${steps.map(({ id }) => id).join(', ')}.`;
  throw new CliError(EXIT_CODES.failed, 'step-not-found', message, next);
}

/** The same JSON, without the characters that steer a terminal. */
function shown(text: string): string {
  return text.replace(
    /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function cut(text: string): string {
  const characters = [...text];
  return characters.length <= SHOWN ? text : `${characters.slice(0, SHOWN - 1).join('')}…`;
}
