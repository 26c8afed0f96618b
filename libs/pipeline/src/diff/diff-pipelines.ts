import type { JsonValue, ResolvedPipeline, ResolvedStep } from '@sluice/domain';
import { canonicalJson } from '@sluice/pure';
import { resolvedPipelineDigest } from '../render/render-pipeline.ts';
import {
  type ChangeScope,
  type ComparedPipeline,
  gravestScope,
  type MemberChange,
  type PipelineDifference,
  type StepChange,
  stepChangeScope,
} from './pipeline-difference.ts';

/** Compares two resolved pipelines, member by member; the order of steps, needs and members makes no difference but `reordered`. */
export function diffPipelines(
  before: ResolvedPipeline,
  after: ResolvedPipeline,
): PipelineDifference {
  const old = new Map(before.steps.map((step) => [step.id, step]));
  const now = new Map(after.steps.map((step) => [step.id, step]));
  const members = compareMembers(pipelineMembers(before), pipelineMembers(after), pipelineScope);
  const added = byId(after.steps.filter(({ id }) => !old.has(id)));
  const removed = byId(before.steps.filter(({ id }) => !now.has(id)));
  const changed = byId([...now.values()]).flatMap((step): readonly StepChange[] => {
    const other = old.get(step.id);
    const change = other === undefined ? null : compareSteps(other, step);
    return change === null ? [] : [change];
  });
  const reordered =
    before.steps
      .filter(({ id }) => now.has(id))
      .map(({ id }) => id)
      .join(' ') !==
    after.steps
      .filter(({ id }) => old.has(id))
      .map(({ id }) => id)
      .join(' ');
  const scopes: ChangeScope[] = [
    ...members.map(({ scope }) => scope),
    ...changed.map(stepChangeScope),
  ];
  if (added.length + removed.length > 0) scopes.push('effects');
  if (reordered) scopes.push('drawing');
  return {
    before: compared(before),
    after: compared(after),
    members,
    added,
    removed,
    changed,
    reordered,
    scope: gravestScope(scopes),
  };
}

function compared(pipeline: ResolvedPipeline): ComparedPipeline {
  const { name, version } = pipeline;
  return { name, version, digest: resolvedPipelineDigest(pipeline) };
}

function byId<T extends { readonly id: string }>(steps: readonly T[]): readonly T[] {
  return [...steps].sort((a, b) => (a.id < b.id ? -1 : 1));
}

function compareSteps(before: ResolvedStep, after: ResolvedStep): StepChange | null {
  const members = compareMembers(stepMembers(before), stepMembers(after), stepScope);
  const needsAdded = without(after.needs, before.needs);
  const needsRemoved = without(before.needs, after.needs);
  if (members.length + needsAdded.length + needsRemoved.length === 0) return null;
  return { id: after.id, members, needsAdded, needsRemoved };
}

function without(names: readonly string[], others: readonly string[]): readonly string[] {
  const known = new Set(others);
  return names.filter((name) => !known.has(name)).sort();
}

/** Members by path. Those that are read apart stand apart. */
type Members = ReadonlyMap<string, JsonValue>;

function pipelineMembers(pipeline: ResolvedPipeline): Members {
  const members = new Map<string, JsonValue>([['failFast', pipeline.failFast]]);
  if (pipeline.description !== undefined) members.set('description', pipeline.description);
  for (const [name, parameter] of Object.entries(pipeline.parameters)) {
    members.set(`parameters.${name}`, parameter.default);
    members.set(`parameters.${name} (schema)`, parameter.schema as JsonValue);
  }
  return members;
}

function stepMembers(step: ResolvedStep): Members {
  const members = new Map<string, JsonValue>();
  for (const [member, value] of Object.entries(step)) {
    if (member === 'id' || member === 'needs' || value === undefined) continue;
    if (!OPENED.has(member)) {
      members.set(member, value as JsonValue);
      continue;
    }
    for (const [name, part] of Object.entries(value as Record<string, JsonValue>)) {
      members.set(`${member}.${name}`, part);
    }
  }
  return members;
}

const OPENED: ReadonlySet<string> = new Set(['inputs', 'retry', 'matrix']);

function compareMembers(
  before: Members,
  after: Members,
  scopeOf: (path: string) => ChangeScope,
): readonly MemberChange[] {
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort();
  return paths.flatMap((path) => {
    const [old, now] = [before.get(path), after.get(path)];
    const same =
      old !== undefined && now !== undefined && canonicalJson(old) === canonicalJson(now);
    return same ? [] : [{ path, before: old, after: now, scope: scopeOf(path) }];
  });
}

function pipelineScope(path: string): ChangeScope {
  if (path === 'description') return 'drawing';
  // The value that a schema lets through stands beside it.
  return path.endsWith(' (schema)') ? 'course' : 'effects';
}

/** Everything of a step that is neither drawing nor course is what it does. */
function stepScope(path: string): ChangeScope {
  if (path === 'description') return 'drawing';
  return path.startsWith('retry.') || COURSE.has(path) ? 'course' : 'effects';
}

const COURSE: ReadonlySet<string> = new Set([
  'timeoutSeconds',
  'concurrencyGroup',
  'matrix.maxParallel',
]);
