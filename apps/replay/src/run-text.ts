import { printable } from '@sluice/pure';
import type { ChangedInput, Mismatch, ReplayReport, ReplayResult } from './replay-result.ts';
import type { SourcePosition } from './source-position.ts';
import { counted, describeBuild, type Palette, shortDigest, shortJson, shortName } from './text.ts';

/** Up to so many histories are each named; of more only those that are not right. */
const MAX_NAMED = 30;
const MAX_NAMES = 8;
const MAX_INPUTS = 10;
const MAX_CALLERS = 3;

/** The report as a person reads it; ends in a line feed. */
export function formatReport(report: ReplayReport, palette: Palette): string {
  const lines: string[] = [];
  const good = report.results.filter(({ outcome }) => outcome === 'deterministic');
  if (report.histories <= MAX_NAMED) {
    for (const result of good.filter((one) => (one.inputs ?? []).length === 0)) {
      lines.push(`${palette.green('✓')} ${nameOf(result)}  ${palette.dim(describeRun(result))}`);
    }
  }
  for (const group of groupMismatches(report.results))
    lines.push(...formatMismatches(group, palette));
  for (const result of report.results) {
    if ((result.inputs ?? []).length > 0) lines.push(...formatInputs(result, palette));
  }
  for (const { file, problem } of report.results) {
    if (problem === undefined) continue;
    lines.push(`${palette.red('?')} ${printable(file)}  ${palette.dim(problem.code)}`);
    lines.push(`    ${printable(problem.message)}`);
  }
  if (lines.length > 0) lines.push('');
  return [...lines, ...summarise(report, palette), ''].join('\n');
}

function summarise(report: ReplayReport, palette: Palette): readonly string[] {
  const { bundle, seconds, workers, histories, events } = report;
  const rate =
    seconds > 0 ? ` (${(histories / seconds).toFixed(histories / seconds < 10 ? 1 : 0)}/s)` : '';
  const outcomes = [
    report.deterministic > 0 ? palette.green(`${report.deterministic} deterministic`) : '',
    report.mismatched > 0 ? palette.red(counted(report.mismatched, 'mismatch', 'mismatches')) : '',
    report.failed > 0 ? palette.red(`${report.failed} unreadable`) : '',
    report.inputsChanged !== null && report.inputsChanged > 0
      ? palette.yellow(`${report.inputsChanged} with changed inputs`)
      : '',
    report.inputsChanged === 0 ? 'no input changed' : '',
  ];
  return [
    `${counted(histories, 'history', 'histories')}, ${counted(events, 'event')}: ${outcomes.filter((text) => text !== '').join(', ')}.`,
    palette.dim(
      `Build ${printable(bundle.buildId)} (${shortDigest(bundle.digest)}), ` +
        `${counted(workers, 'worker')}, ${seconds.toFixed(1)} s${rate}.`,
    ),
  ];
}

function nameOf({ workflowId, file }: ReplayResult): string {
  return workflowId === null ? printable(file) : shortName(workflowId);
}

function describeRun({ workflowType, status, events }: ReplayResult): string {
  return `${printable(workflowType ?? '')} ${status}, ${counted(events, 'event')}`;
}

/** Mismatches at the same place with the same meaning are told once. */
function groupMismatches(results: readonly ReplayResult[]): readonly (readonly ReplayResult[])[] {
  const groups = new Map<string, ReplayResult[]>();
  for (const result of results) {
    if (result.mismatch === undefined) continue;
    const { eventType, expected, actual, step, source, brokenBy } = result.mismatch;
    const key = JSON.stringify([eventType, expected, actual, step, source, brokenBy]);
    groups.set(key, [...(groups.get(key) ?? []), result]);
  }
  return [...groups.values()];
}

function formatMismatches(group: readonly ReplayResult[], palette: Palette): readonly string[] {
  const [first] = group;
  if (first?.mismatch === undefined) return [];
  const names = group.slice(0, MAX_NAMES).map(nameOf).join(', ');
  const more = group.length > MAX_NAMES ? ` and ${group.length - MAX_NAMES} more` : '';
  const file = group.length === 1 ? `  ${palette.dim(printable(first.file))}` : '';
  return [
    `${palette.red('✗')} ${names}${more}${file}`,
    ...describeMismatch(first.mismatch).map(([name, text]) =>
      name === '' ? `    ${palette.dim(text)}` : `    ${name.padEnd(10)}${text}`,
    ),
  ];
}

/** A mismatch in named lines; the last, unnamed one is what the engine's library says. */
export function describeMismatch(mismatch: Mismatch): readonly (readonly [string, string])[] {
  const { event, eventType, expected, actual, source, callers, brokenBy, message } = mismatch;
  const lines: [string, string][] = [
    ['event', `${event} ${eventType}${describePlace(mismatch)}`],
    ['recorded', expected],
    ['now', actual],
  ];
  if (source !== null) lines.push(['source', describeSource(source)]);
  for (const caller of callers.slice(0, MAX_CALLERS))
    lines.push(['  from', describeSource(caller)]);
  const build = brokenBy === 'unknown' ? 'unknown' : describeBuild(brokenBy);
  lines.push(['broken by', build === 'unknown' ? 'unknown' : `build ${build}`]);
  if (message !== '') lines.push(['', message.split('\n')[0] ?? '']);
  return lines.map(([name, text]) => [name, printable(text)]);
}

function describePlace({ step, target }: Mismatch): string {
  if (step === null) return '';
  return `, step ${step}${target === null ? '' : ` on ${target}`}`;
}

function describeSource({ file, line, column }: SourcePosition): string {
  return `${file}:${line}:${column}`;
}

function formatInputs(result: ReplayResult, palette: Palette): readonly string[] {
  const inputs = result.inputs ?? [];
  const lines = inputs.slice(0, MAX_INPUTS).map((input) => `    ${describeInput(input)}`);
  const more = inputs.length - MAX_INPUTS;
  return [
    `${palette.yellow('~')} ${nameOf(result)}  ${palette.dim('inputs changed')}`,
    ...lines,
    ...(more > 0 ? [`    and ${more} more`] : []),
  ];
}

/** One changed input in a line. */
export function describeInput({
  event,
  activity,
  step,
  path,
  recorded,
  now,
}: ChangedInput): string {
  const where = step === null ? '' : ` (step ${step})`;
  const what = printable(`event ${event}, ${activity}${where}, ${path || 'value'}`);
  return `${what}: was ${shortJson(recorded)}, is ${shortJson(now)}`;
}
