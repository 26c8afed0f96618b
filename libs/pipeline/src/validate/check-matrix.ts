import { MAX_MATRIX_MEMBERS } from '@sluice/domain';
import type { Check } from './check.ts';
import { checkReference } from './check-reference.ts';
import { parseReference } from './reference.ts';
import type { VariantStep } from './variant.ts';

const LIST_ADVICE = 'Name an output or a parameter that is a list.';

/** Matrices that have no members, too many, or fewer than must succeed. */
export function checkMatrix(check: Check, each: VariantStep): void {
  const { report } = check;
  const { matrix } = each.step;
  if (matrix === undefined) return;
  const { over, policy, minimum } = matrix;
  if (policy === 'minimum' && minimum === undefined) {
    report.say({
      code: 'matrix-minimum-missing',
      path: each.place('matrix', 'policy'),
      message: `The matrix of step ${each.id} has the policy minimum, and doesn't say how many must succeed.`,
      suggestion: 'Add minimum.',
    });
  }
  if (policy !== 'minimum' && minimum !== undefined) {
    report.say({
      code: 'matrix-minimum-unused',
      severity: 'warning',
      path: each.place('matrix', 'minimum'),
      message: `The minimum of the matrix of step ${each.id} means nothing with the policy ${policy ?? 'all'}.`,
      suggestion: 'Add `policy: minimum`, or take it out.',
      where: 'key',
    });
  }
  if ('values' in over) {
    const path = each.place('matrix', 'over', 'values');
    if (over.values.length === 0) {
      const message = `The matrix of step ${each.id} is empty: the step would do nothing.`;
      report.say({ code: 'matrix-empty', path, message, suggestion: 'Add a value.' });
    }
    if (over.values.length > MAX_MATRIX_MEMBERS) {
      const message = `The matrix of step ${each.id} has ${over.values.length} members; at most ${MAX_MATRIX_MEMBERS} are taken.`;
      report.say({ code: 'matrix-too-large', path, message, suggestion: 'Make several of it.' });
    }
    checkMinimum(check, each, over.values.length);
  }
  if ('ref' in over) checkList(check, each, over.ref);
}

function checkMinimum(check: Check, each: VariantStep, members: number): void {
  const minimum = each.step.matrix?.minimum;
  if (minimum === undefined || minimum <= members || members === 0) return;
  check.report.say({
    code: 'matrix-minimum',
    path: each.place('matrix', 'minimum'),
    message: `${minimum} members of the matrix of step ${each.id} must succeed, and it has at most ${members}.`,
    suggestion: `Write ${members}.`,
  });
}

function checkList(check: Check, each: VariantStep, text: string): void {
  const { report, variant } = check;
  const path = each.place('matrix', 'over', 'ref');
  const reference = parseReference(text, report.nearest);
  if (reference.kind === 'fault' || reference.kind === 'matrix') {
    const said =
      reference.kind === 'fault'
        ? reference
        : {
            message: 'A matrix has no members before it begins.',
            suggestion: LIST_ADVICE,
            offset: 0,
          };
    const { message, suggestion, offset } = said;
    report.say({ code: 'reference-invalid', path, message, suggestion, where: offset });
    return;
  }
  const placed = { reader: each, reference, text, path, offset: 0, guarded: false };
  const schema = checkReference(check, placed);
  if (schema === null || schema.type === 'any') return;
  if (schema.type !== 'array') {
    report.say({
      code: 'matrix-not-a-list',
      path,
      message: `The matrix of step ${each.id} goes over ${text}, which is no list.`,
      suggestion: LIST_ADVICE,
    });
    return;
  }
  if (schema.maxItems !== undefined) checkMinimum(check, each, schema.maxItems);
  const given = reference.kind === 'parameter' ? variant.parameters.get(reference.name) : undefined;
  const known =
    reference.kind === 'parameter' && variant.environmentValues.has(reference.name)
      ? variant.environmentValues.get(reference.name)
      : given?.default;
  if (!Array.isArray(known) || known.length > 0) return;
  report.say({
    code: 'matrix-empty',
    severity: 'warning',
    path,
    message: `The matrix of step ${each.id} is empty unless the promotion gives ${text}.`,
    suggestion: 'Give it a default that has members.',
  });
}
