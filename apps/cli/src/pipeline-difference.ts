import {
  differenceText,
  diffPipelines,
  gravestScope,
  type PipelineDifference,
} from '@sluice/pipeline';
import { printable } from '@sluice/pure';
import type { CommandContext } from './command-context.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { type DrawingOptions, lookOf, refuse } from './pipeline-drawing.ts';
import {
  type OpenedPipeline,
  openPipeline,
  type Resolution,
  type ResolutionOptions,
  resolveOpened,
  tellOfUnnamed,
} from './pipeline-resolution.ts';
import { wrapped } from './text-layout.ts';

/** Environments that are compared when none is asked for: with more of them, one must be named. */
const MAX_ENVIRONMENTS = 200;

/** Options of `sluice pipeline diff`. */
export interface DiffPipelinesOptions extends ResolutionOptions, DrawingOptions {}

/** How two pipelines differ in one place. */
interface Compared {
  /** Null: where no environment says anything. */
  readonly environment: string | null;
  readonly difference: PipelineDifference;
}

/**
 * Carries out `sluice pipeline diff`: for one environment, or without and for each that either side names. Its status is that of `diff`: 0 the
 * same everywhere, 1 different, 2 trouble.
 */
export async function printDifference(
  context: CommandContext,
  options: DiffPipelinesOptions,
  [first = '', second = '']: readonly string[],
): Promise<ExitCode> {
  if (first === '-' && second === '-') {
    const message = 'Standard input can be one side, not both.';
    throw new CliError(EXIT_CODES.usage, 'option-invalid', message, 'Name a file for the other.');
  }
  const look = lookOf(context, options);
  const before = await openPipeline(context, first, options);
  const after = await openPipeline(context, second, options);
  const named = [...new Set([...before.environments, ...after.environments])].sort();
  if (options.environment !== undefined) tellOfUnnamed(context, options.environment, named);
  const compared: Compared[] = [];
  for (const environment of placesOf(options, named)) {
    const resolved = resolveBoth(before, after, { ...options, environment });
    if ('problems' in resolved) {
      if (environment === undefined && named.length > 0 && lacksParameters(resolved)) {
        tellOfSkipped(context, resolved);
        continue;
      }
      return refuse(context, resolved, EXIT_CODES.usage);
    }
    compared.push({ environment: environment ?? null, difference: resolved.difference });
  }
  const scope = gravestScope(compared.flatMap(({ difference }) => difference.scope ?? []));
  const [main] = compared;
  const environments = compared.map(({ environment, difference }) => ({
    environment,
    same: difference.scope === null,
    ...difference,
  }));
  context.print({ same: scope === null, ...main?.difference, scope, environments }, () =>
    textOf(compared, options.environment !== undefined, (difference) =>
      differenceText(difference, look),
    ),
  );
  return scope === null ? EXIT_CODES.ok : EXIT_CODES.failed;
}

function placesOf(
  { environment }: DiffPipelinesOptions,
  named: readonly string[],
): readonly (string | undefined)[] {
  if (environment !== undefined) return [environment];
  if (named.length <= MAX_ENVIRONMENTS) return [undefined, ...named];
  const message = `The pipelines name ${named.length} environments; at most ${MAX_ENVIRONMENTS} are compared at once.`;
  throw new CliError(EXIT_CODES.usage, 'option-invalid', message, 'Name one with --environment.');
}

function resolveBoth(
  first: OpenedPipeline,
  second: OpenedPipeline,
  {
    environment,
    ...rest
  }: Omit<ResolutionOptions, 'environment'> & {
    readonly environment: string | undefined;
  },
): { readonly difference: PipelineDifference } | Extract<Resolution, { ok: false }> {
  const options = { ...rest, ...(environment === undefined ? {} : { environment }) };
  const before = resolveOpened(first, options);
  if (!before.ok) return before;
  const after = resolveOpened(second, options);
  if (!after.ok) return after;
  return { difference: diffPipelines(before.pipeline, after.pipeline) };
}

/** True where only environments give the values. */
function lacksParameters({ problems }: Extract<Resolution, { ok: false }>): boolean {
  const errors = problems.filter(({ severity }) => severity === 'error');
  return errors.every(
    ({ code, at }) => code === 'parameter-missing' && at.path.startsWith('parameters.'),
  );
}

function tellOfSkipped(
  { io }: CommandContext,
  { file, problems }: Extract<Resolution, { ok: false }>,
): void {
  const names = problems.map(({ at }) => at.path.slice('parameters.'.length));
  const text = `Compared in environments only: outside of them ${file} lacks values for ${names.slice(0, 10).join(', ')}.`;
  io.err(wrapped(printable(text), 2));
}

/** Each difference once, with all the environments that it is in. */
function textOf(
  compared: readonly Compared[],
  isOne: boolean,
  show: (difference: PipelineDifference) => string,
): string {
  const places = new Map<string, string[]>();
  for (const { environment, difference } of compared) {
    const text = show(difference);
    const names = places.get(text) ?? [];
    names.push(environment ?? 'without an environment');
    places.set(text, names);
  }
  const [only] = places.keys();
  if (isOne || (places.size === 1 && compared[0]?.environment === null)) return only ?? '';
  return [...places]
    .map(([text, names]) => `${wrapped(printable(`${namesText(names)}:`), 2)}${text}`)
    .join('\n');
}

function namesText(names: readonly string[]): string {
  const [first = '', ...rest] = names;
  if (first !== 'without an environment') return `In ${names.join(', ')}`;
  return rest.length === 0
    ? 'Without an environment'
    : `Without an environment, in ${rest.join(', ')}`;
}
