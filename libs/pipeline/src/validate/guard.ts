import type { StepTemplate } from '@sluice/domain';
import {
  type ConditionNode,
  type Conditions,
  conditionKey,
  pathOfNode,
  readsMatrix,
} from './condition.ts';

/** Whether a step may read what another gives. */
export type Guard =
  /** It runs only when the other succeeded, as far as conditions go. */
  | 'guarded'
  /** It may run when the other gave nothing. */
  | 'open'
  /** It has a condition that may or may not say so. */
  | 'unknown';

/**
 * Whether a step that reads an output runs only when there is one. Its condition asks for that, by `steps.x.outcome == "succeeded"` or
 * `has(steps.x.outputs.y)`; or nothing but the other's own condition stands in the way, and it is asked here too. Only of a reader that
 * runs `when: success`, and of a step whose failure is not tolerated, is it known that no failure came before.
 *
 * @param id of the step that is read, as the reader names it
 */
export function guardOf(
  conditions: Conditions,
  reader: StepTemplate,
  target: StepTemplate,
  id: string,
): Guard {
  const asked = conditions.conjunctsOf(reader);
  // What is no condition is said where it stands.
  if (asked === null) return 'guarded';
  if (asked.some((node) => asksFor(node, id))) return 'guarded';
  const otherwise: Guard = reader.if === undefined ? 'open' : 'unknown';
  if ((reader.when ?? 'success') !== 'success' || target.continueOnFailure === true) {
    return otherwise;
  }
  if (target.when === 'onFailure' || target.when === 'onCancel') return otherwise;
  return isImplied(asked, conditions.conjunctsOf(target)) ? 'guarded' : otherwise;
}

/** True when all of the other conditions are among these. */
export function isImplied(
  conditions: readonly ConditionNode[],
  others: readonly ConditionNode[] | null,
): boolean {
  if (others === null || others.length === 0) return true;
  const keys = new Set(conditions.filter((node) => !readsMatrix(node)).map(conditionKey));
  return others.every((node) => keys.has(conditionKey(node)));
}

/** True for a condition that holds only when the step has succeeded, or has given an output. */
function asksFor(node: ConditionNode, id: string): boolean {
  switch (node.op) {
    case '==': {
      const [left, right] = node.args;
      return isSuccess(left, right, id) || isSuccess(right, left, id);
    }
    case 'call': {
      const operand = node.args[0] === 'has' ? node.args[1][0] : undefined;
      return operand !== undefined && isOutput(pathOfNode(operand), id);
    }
    case 'in': {
      const [member, map] = node.args;
      const path = pathOfNode(map);
      if (path === undefined || member.op !== 'value' || typeof member.args !== 'string') {
        return false;
      }
      return isOutput([...path, member.args], id);
    }
    default:
      return false;
  }
}

function isSuccess(node: ConditionNode, value: ConditionNode, id: string): boolean {
  const path = pathOfNode(node);
  const isOutcome = path?.length === 3 && path[0] === 'steps' && path[2] === 'outcome';
  return isOutcome && path[1] === id && value.op === 'value' && value.args === 'succeeded';
}

function isOutput(path: readonly string[] | undefined, id: string): boolean {
  const [root, step, member, name] = path ?? [];
  return root === 'steps' && step === id && member === 'outputs' && name !== undefined;
}
