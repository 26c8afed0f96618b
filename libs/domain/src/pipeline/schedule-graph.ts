import { DomainError } from '../domain-error.ts';
import { MAX_TEMPLATE_STEPS, type StepCondition } from './template.ts';

/** What a schedule needs to know of a step; a resolved step of a pipeline is one. */
export interface ScheduledStep {
  /** Unique among the steps. */
  readonly id: string;
  /** Ids of steps. */
  readonly needs?: readonly string[];
  /** `success` when absent. */
  readonly when?: StepCondition;
  /** Its failure counts like a success. */
  readonly continueOnFailure?: boolean;
  /** What it does is put back when the pipeline ends unhappily: its type has a compensation, and the step did not say no. */
  readonly compensate: boolean;
}

/** A step with its edges as positions in the pipeline's order. */
export interface ScheduleNode {
  readonly id: string;
  readonly when: StepCondition;
  readonly continueOnFailure: boolean;
  readonly compensate: boolean;
  /** Each once, ascending. */
  readonly needs: readonly number[];
  /** Steps that need this one: each once, ascending. */
  readonly dependents: readonly number[];
}

/** The steps of a schedule and how they hang together; never changes. */
export interface ScheduleGraph {
  /** In the pipeline's order. */
  readonly nodes: readonly ScheduleNode[];
  readonly indexes: ReadonlyMap<string, number>;
  /** The same for the same steps, and most probably for no others. 8 hex digits. */
  readonly fingerprint: string;
}

/**
 * Prepares the steps of a pipeline.
 * @throws DomainError `pipeline-too-many-steps`, `step-id-twice`, `step-need-unknown`, `pipeline-cycle`
 */
export function scheduleGraph(steps: readonly ScheduledStep[], failFast: boolean): ScheduleGraph {
  if (steps.length > MAX_TEMPLATE_STEPS) {
    const message = `${steps.length} steps, at most ${MAX_TEMPLATE_STEPS}: split the pipeline.`;
    throw new DomainError('pipeline-too-many-steps', message);
  }
  const indexes = new Map<string, number>();
  for (const [index, { id }] of steps.entries()) {
    if (indexes.has(id)) {
      throw new DomainError('step-id-twice', `Step ${id} stands twice: rename one of them.`);
    }
    indexes.set(id, index);
  }
  const dependents: number[][] = steps.map(() => []);
  const needs = steps.map((step, index) => {
    const found = new Set((step.needs ?? []).map((need) => indexOfNeed(indexes, step.id, need)));
    for (const need of found) dependents[need]?.push(index);
    return [...found].sort((a, b) => a - b);
  });
  const nodes = steps.map(({ id, when, continueOnFailure, compensate }, index) => ({
    id,
    when: when ?? 'success',
    continueOnFailure: continueOnFailure ?? false,
    compensate,
    needs: needs[index] ?? [],
    dependents: dependents[index] ?? [],
  }));
  assertAcyclic(nodes);
  return { nodes, indexes, fingerprint: fingerprintOf(nodes, failFast) };
}

function indexOfNeed(indexes: ReadonlyMap<string, number>, id: string, need: string): number {
  const index = indexes.get(need);
  if (index !== undefined) return index;
  throw new DomainError('step-need-unknown', `Step ${id} needs ${need}: no such step. Name one.`);
}

/** Kahn's: what is never free of needs stands in a cycle or after one. */
function assertAcyclic(nodes: readonly ScheduleNode[]): void {
  const open = nodes.map(({ needs }) => needs.length);
  const free = nodes.flatMap((_, index) => (open[index] === 0 ? [index] : []));
  for (let at = 0; at < free.length; at += 1) {
    for (const dependent of nodes[free[at] ?? -1]?.dependents ?? []) {
      const left = (open[dependent] ?? 0) - 1;
      open[dependent] = left;
      if (left === 0) free.push(dependent);
    }
  }
  if (free.length === nodes.length) return;
  const stuck = nodes.filter((_, index) => (open[index] ?? 0) > 0).map(({ id }) => id);
  const more = stuck.length > 10 ? ` and ${stuck.length - 10} more` : '';
  const message = `These steps need each other, or steps that do: ${stuck.slice(0, 10).join(', ')}${more}. Take one need away.`;
  throw new DomainError('pipeline-cycle', message);
}

/** FNV-1a, 32 bits: against mixing things up, not against anybody. */
function fingerprintOf(nodes: readonly ScheduleNode[], failFast: boolean): string {
  // Global names are dear in the sandbox of a workflow.
  const { imul } = Math;
  let hash = 0x811c9dc5;
  const add = (text: string): void => {
    for (let at = 0; at < text.length; at += 1) {
      hash = imul(hash ^ text.charCodeAt(at), 0x01000193);
    }
  };
  add(`${failFast}`);
  for (const { id, when, continueOnFailure, compensate, needs } of nodes) {
    add(`\n${id} ${when} ${continueOnFailure} ${compensate} ${needs.join(' ')}`);
  }
  return (hash >>> 0).toString(16).padStart(8, '0');
}
