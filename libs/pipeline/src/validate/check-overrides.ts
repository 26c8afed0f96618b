import type { StepOverride } from '@sluice/domain';
import type { ValuePath } from '../parse/positioned-node.ts';
import type { Check } from './check.ts';
import { write } from './check.ts';
import type { Report } from './report.ts';
import type { Variant } from './variant.ts';

/** Ids that stand twice in one list of steps. */
export function checkDuplicates(
  steps: readonly { readonly id: string }[],
  path: ValuePath,
  report: Report,
  find: (path: ValuePath) => { readonly line: number },
): void {
  const first = new Map<string, number>();
  for (const [at, { id }] of steps.entries()) {
    const before = first.get(id);
    if (before === undefined) {
      first.set(id, at);
      continue;
    }
    report.say({
      code: 'step-id-twice',
      path: [...path, at, 'id'],
      message: `Step ${id} stands twice; first on line ${find([...path, before, 'id']).line}.`,
      suggestion: 'Give one of them another id, or make one of both.',
    });
  }
}

/**
 * Overrides of an environment, or of what a pipeline extends, that say nothing new, take out what isn't there, or change a step that is
 * not there.
 *
 * @param before the steps as they are without these overrides
 */
export function checkOverrides(
  overrides: readonly StepOverride[],
  path: ValuePath,
  before: Variant,
  { report, isLost }: Pick<Check, 'report' | 'isLost'>,
): void {
  for (const [at, override] of overrides.entries()) {
    const { id } = override;
    const place: ValuePath = [...path, at];
    const found = before.byId.get(id);
    if (found === undefined) {
      if (override.remove !== true && (override.type !== undefined || isLost([...place, 'type']))) {
        continue;
      }
      const best = report.nearest(id, before.byId.keys());
      report.say({
        code: override.remove === true ? 'step-remove-unknown' : 'step-type-missing',
        path: [...place, 'id'],
        message:
          override.remove === true
            ? `Step ${id} can't be taken out: there is none.`
            : `Step ${id} is new here and has no type.`,
        suggestion: write(best) ?? (override.remove === true ? 'Take this out.' : 'Add its type.'),
      });
      continue;
    }
    if (override.remove === true) continue;
    for (const [member, value] of Object.entries(override)) {
      if (member === 'id' || member === 'remove') continue;
      const now = (found.step as unknown as Readonly<Record<string, unknown>>)[member];
      if (JSON.stringify(now) !== JSON.stringify(value)) continue;
      report.say({
        code: 'step-shadowed',
        severity: 'warning',
        path: [...place, member],
        message: `This changes nothing: ${member} of step ${id} is that already.`,
        suggestion: `Take ${member} out.`,
        where: 'key',
      });
    }
  }
}
