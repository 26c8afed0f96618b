import { parseArgs } from 'node:util';
import type { AtCommand } from './at.command.ts';
import type { InspectCommand } from './inspect.command.ts';
import type { RunCommand } from './run.command.ts';
import { UsageError } from './tool-io.ts';

/** How the tool is used. */
export const USAGE = `Replays recorded histories against workflow code. It needs neither engine nor API.

  replay run --input PATH… [--key FILE] [--bundle FILE.js] [--bundles DIR]
             [--workers N] [--inputs] [--format text|json] [--json FILE]
             [--junit FILE] [--no-progress]
  replay at --input FILE --event N [--key FILE] [--bundle FILE.js]
            [--format text|json]
  replay inspect --input FILE [--key FILE] [--bundle FILE.js]

  --input    histories: archived, exported or as the engine's tools write them;
             folders are searched
  --key      codec keys, for encrypted histories
  --bundle   workflow code to replay against (default: this checkout's)
  --bundles  kept code of older builds: finds the one that broke a history
  --inputs   also compare arguments, timers and results, which replay does not

inspect is started with node --inspect-brk.
Status: 0 all deterministic; 1 a mismatch, a changed input (--inputs), or a file
that cannot be read; 2 the command line, the bundle or the keys are wrong.
`;

/** What the command line asks for. */
export type ParsedCommand =
  | { readonly verb: 'run'; readonly command: RunCommand }
  | { readonly verb: 'at'; readonly command: AtCommand }
  | { readonly verb: 'inspect'; readonly command: InspectCommand }
  | { readonly verb: 'help' };

const MAX_WORKERS = 64;

const COMMON = {
  input: { type: 'string', multiple: true },
  key: { type: 'string' },
  bundle: { type: 'string' },
} as const;
const FORMAT = { format: { type: 'string', default: 'text' } } as const;

/** @throws UsageError */
export function parseCommandLine(args: readonly string[]): ParsedCommand {
  const [verb, ...rest] = args;
  if (verb === undefined || verb === 'help' || args.includes('--help') || args.includes('-h')) {
    return { verb: 'help' };
  }
  try {
    if (verb === 'run') return { verb, command: parseRun(rest) };
    if (verb === 'at') return { verb, command: parseAt(rest) };
    if (verb === 'inspect') return { verb, command: parseInspect(rest) };
  } catch (error) {
    const { name, message } = error as Error;
    throw name === 'UsageError' ? error : new UsageError(message.split('\n')[0] ?? message);
  }
  throw new UsageError(`There is no verb ${verb}; there are run, at and inspect.`);
}

function parseRun(args: readonly string[]): RunCommand {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      ...COMMON,
      ...FORMAT,
      bundles: { type: 'string' },
      workers: { type: 'string' },
      inputs: { type: 'boolean', default: false },
      json: { type: 'string' },
      junit: { type: 'string' },
      'no-progress': { type: 'boolean', default: false },
    },
  });
  // `--input a b c`: what a shell makes of a pattern.
  const inputs = [...(values.input ?? []), ...positionals];
  if (inputs.length === 0)
    throw new UsageError('Name histories, or folders of them, with --input.');
  return {
    inputs,
    key: values.key,
    bundle: values.bundle,
    bundles: values.bundles,
    workers:
      values.workers === undefined ? undefined : whole('--workers', values.workers, MAX_WORKERS),
    compareInputs: values.inputs,
    format: formatOf(values.format),
    json: values.json,
    junit: values.junit,
    isProgressShown: !values['no-progress'],
  };
}

function parseAt(args: readonly string[]): AtCommand {
  const { values } = parseArgs({
    args: [...args],
    options: { ...COMMON, ...FORMAT, event: { type: 'string' } },
  });
  if (values.event === undefined) throw new UsageError('Name the event with --event.');
  return {
    input: onlyInput(values.input),
    event: whole('--event', values.event, Number.MAX_SAFE_INTEGER),
    key: values.key,
    bundle: values.bundle,
    format: formatOf(values.format),
  };
}

function parseInspect(args: readonly string[]): InspectCommand {
  const { values } = parseArgs({ args: [...args], options: COMMON });
  return { input: onlyInput(values.input), key: values.key, bundle: values.bundle };
}

function onlyInput(inputs: readonly string[] | undefined): string {
  const [input, another] = inputs ?? [];
  if (input === undefined || another !== undefined) {
    throw new UsageError('Name one history with --input.');
  }
  return input;
}

function whole(option: string, text: string, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= most) return value;
  throw new UsageError(`${option} is a whole number from 1 to ${most}, not "${text}".`);
}

function formatOf(text: string): 'text' | 'json' {
  if (text === 'text' || text === 'json') return text;
  throw new UsageError(`--format is text or json, not "${text}".`);
}
