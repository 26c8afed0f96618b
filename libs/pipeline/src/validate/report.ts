import { createNearestName, type NearestName } from '../parse/nearest.ts';
import type { ValuePath } from '../parse/positioned-node.ts';
import type { PipelinePositions } from '../parse/positions.ts';
import type { PipelineProblem } from '../problem.ts';

/** One thing to say about a place. */
export interface Said {
  readonly code: string;
  readonly path: ValuePath;
  readonly message: string;
  /** What to write or to do instead. */
  readonly suggestion: string;
  readonly severity?: 'warning';
  /** `key`: the place of the member's name. A number: UTF-16 units into the text value. */
  readonly where?: 'key' | number;
}

/** Collects the problems of one check. */
export interface Report {
  readonly problems: readonly PipelineProblem[];
  readonly nearest: NearestName;
  say(said: Said): void;
  /** What is said from now on about the same in the same words is dropped, and the rest is said of this environment; null: of all. */
  enterEnvironment(name: string | null): void;
}

/**
 * @param isLost true for places about which nothing must be said, because their form is wrong and that has been said
 */
export function createReport(
  positions: PipelinePositions,
  isLost: (path: ValuePath) => boolean,
): Report {
  const problems: PipelineProblem[] = [];
  const seen = new Set<string>();
  let environment: string | null = null;
  return {
    problems,
    nearest: createNearestName(),
    enterEnvironment: (name) => {
      environment = name;
    },
    say: ({ code, path, message, suggestion, severity, where }) => {
      if (isLost(path)) return;
      const key = JSON.stringify([code, path, message, where]);
      if (seen.has(key)) return;
      seen.add(key);
      const at =
        where === undefined
          ? positions.find(path)
          : where === 'key'
            ? positions.findKey(path)
            : positions.findInText(path, where);
      problems.push({
        code,
        severity: severity ?? 'error',
        message: environment === null ? message : `In environment ${environment}: ${message}`,
        suggestion,
        at,
      });
    },
  };
}
