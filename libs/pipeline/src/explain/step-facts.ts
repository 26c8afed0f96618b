import { parseStepType, type ResolvedMatrix, type ResolvedStep } from '@sluice/domain';

/** How a step is drawn. */
export type StepKind =
  | 'step'
  /** Somebody or something says yes or no: a gate, an approval. */
  | 'decision'
  /** Once for each of several members. */
  | 'matrix'
  /** Time passes: `wait`, `soak`. */
  | 'pause';

/** How a step is drawn. A matrix of decisions is a matrix. */
export function stepKind(step: ResolvedStep): StepKind {
  if (step.matrix !== undefined) return 'matrix';
  const { type } = parseStepType(step.type);
  if (type === 'gate' || type === 'approval') return 'decision';
  return type === 'wait' || type === 'soak' ? 'pause' : 'step';
}

/** Why a step runs when the steps before it are done, where that is not simply because they succeeded; else null. */
export function conditionText(step: ResolvedStep): string | null {
  const alone = step.needs.length === 0;
  switch (step.when) {
    case 'success':
      return null;
    case 'always':
      return 'whatever became of the steps before it';
    case 'onFailure':
      return alone ? 'when the promotion does not succeed' : 'only after a failure';
    case 'onCancel':
      return 'when the promotion was cancelled';
  }
}

/** `each of 3: eu, us, ap; 2 at a time; at least 2 must succeed`. */
export function matrixText(matrix: ResolvedMatrix): string {
  const parts = [membersText(matrix), `${matrix.maxParallel} at a time`];
  if (matrix.policy === 'partial') parts.push('some may fail, and that is shown');
  if (matrix.policy === 'minimum') parts.push(`at least ${matrix.minimum ?? 1} must succeed`);
  if (matrix.failFast) parts.push('none begins after a failure');
  return parts.join('; ');
}

function membersText({ over }: ResolvedMatrix): string {
  if ('ref' in over) return `each of ${over.ref}`;
  if ('targets' in over) {
    const labels = Object.entries(over.targets).map(([name, value]) => `${name}=${value}`);
    return labels.length === 0 ? 'each target' : `each target with ${labels.join(', ')}`;
  }
  const shown = over.values.slice(0, 6).map((value) => {
    return typeof value === 'string' ? value : JSON.stringify(value);
  });
  const more = over.values.length > shown.length ? ', …' : '';
  return `each of ${over.values.length}: ${shown.join(', ')}${more}`;
}

/** `45 s`, `10 min`, `1 h 30 min`, `7 days 1 min`: exact, without the units that are nought. */
export function durationText(seconds: number): string {
  const parts: string[] = [];
  let left = seconds;
  for (const [size, unit] of UNITS) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0) parts.push(`${count} ${unit}${unit === 'day' && count !== 1 ? 's' : ''}`);
  }
  if (left > 0 || parts.length === 0) parts.push(`${left} s`);
  return parts.join(' ');
}

const UNITS = [
  [86_400, 'day'],
  [3600, 'h'],
  [60, 'min'],
] as const;
