import type { ProblemView } from './history-operations.ts';
import { minuteOf } from './progress-text.ts';
import { clause, wrapped } from './text-layout.ts';

/** A problem in one line: how long, and what. */
export function problemLine({ code, message, since }: ProblemView): string {
  return `stuck since ${minuteOf(since).slice(5)} UTC: ${codeOf(code)}: ${clause(message)}.`;
}

/**
 * Why a promotion does not go on, and every way out, for reading.
 * @param indent blanks before each line
 */
export function describeProblem(id: string, problem: ProblemView, indent = 0): string {
  const lead = ' '.repeat(indent);
  const line = (text: string, rest: number): string => wrapped(`${lead}${text}`, indent + rest);
  const { code, message, cause, attempt, event, activity, buildId, since } = problem;
  const facts = [
    `${attempt} ${attempt === 1 ? 'attempt' : 'attempts'}`,
    ...(event === null ? [] : [`event ${event}`]),
    ...(activity === null ? [] : [`activity ${activity}`]),
    ...(buildId === null ? [] : [`build ${buildId}`]),
  ];
  return [
    line(`stuck: ${codeOf(code)} since ${minuteOf(since)} UTC (${facts.join(', ')})`, 2),
    line(`  ${message}`, 2),
    ...(cause === null ? [] : [line(`  cause: ${cause.replaceAll(/\s+/g, ' ')}`, 4)]),
    ...waysOut(id, problem).map((way, at) => line(`  ${at === 0 ? 'do' : 'or'}: ${way}`, 6)),
  ].join('');
}

/** The ways out, best first, with the names in their places. */
export function waysOut(id: string, { wayOut }: ProblemView): readonly string[] {
  const environment = id.split('/')[0] ?? id;
  return wayOut.map((way) =>
    way.replaceAll('<promotion>', id).replaceAll('<environment>', environment),
  );
}

/** The API's code as everything else writes codes. */
function codeOf(code: string): string {
  return code.toLowerCase().replaceAll('_', '-');
}
