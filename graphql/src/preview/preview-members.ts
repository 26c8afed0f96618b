import type { CourseStep, JsonValue, Target } from '@sluice/domain';
import { type PipelineScope, resolveReference } from '@sluice/pure';

/** Members that a preview names. */
const MAX_NAMED = 100;

/** Which members a step would run for. */
export interface PreviewMembers {
  /** Names of targets, or values as JSON; the first of them. Null where they are not known. */
  readonly members: readonly string[] | null;
  readonly memberCount: number | null;
  /** Where they come from; null where they are known. */
  readonly membersFrom: string | null;
  /** All targets among them. */
  readonly targets: readonly string[];
}

const NONE: PreviewMembers = { members: null, memberCount: null, membersFrom: null, targets: [] };

/** The members of a step as they are known before a promotion: of its matrix, or each target where its type has one execution for each. */
export function previewMembers(
  { matrix }: Pick<CourseStep, 'matrix'>,
  targets: readonly Pick<Target, 'name' | 'labels'>[],
  scope: PipelineScope,
): PreviewMembers {
  if (matrix === undefined) return NONE;
  const { over } = matrix;
  if ('targets' in over) {
    const names = targets.filter(({ labels }) => hasLabels(labels, over.targets));
    return known(
      names.map(({ name }) => name),
      true,
    );
  }
  if ('values' in over) return known(over.values.map(textOf), false);
  const found = resolveReference('The matrix', over.ref, scope);
  if (!found.ok || !Array.isArray(found.value)) return { ...NONE, membersFrom: over.ref };
  return known((found.value as readonly JsonValue[]).map(textOf), false);
}

function known(all: readonly string[], areTargets: boolean): PreviewMembers {
  return {
    members: all.slice(0, MAX_NAMED),
    memberCount: all.length,
    membersFrom: null,
    targets: areTargets ? all : [],
  };
}

function hasLabels(
  labels: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(wanted).every(
    ([name, value]) => Object.hasOwn(labels, name) && labels[name] === value,
  );
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
