import type { JsonValue } from '@sluice/domain';
import { MAX_CEL_VALUE_DEPTH } from './limits.ts';
import type { CelReference } from './references.ts';
import { type GrowingShape, growingShape, type Shape } from './shape.ts';

/** Values as the library takes them, and how big they are. */
export interface AdmittedValues {
  readonly ok: true;
  readonly values: ReadonlyMap<string, unknown>;
  readonly shapes: ReadonlyMap<string, Shape>;
  /** Values that were taken over. */
  readonly nodes: number;
}

/** Why values were not taken over. */
export interface RefusedValues {
  readonly ok: false;
  readonly reason: 'too-many' | 'refused';
  readonly message: string;
}

// In a sandbox each look at a global object goes through an interceptor: it is what taking values over would mostly wait for.
const { getOwnPropertyDescriptor, getPrototypeOf, keys } = Object;
const { isFinite: isFiniteNumber, isSafeInteger } = Number;
const { max } = Math;
const { isArray } = Array;
const toInt = BigInt;

/** Parts of a value that are read: by name, or all of it. */
type Part = Map<string, Part> | 'all';

/**
 * An object of JSON, for the library: a map, so that only its own members are read, never those of a prototype. It hides its members from
 * the library's inference of types, which would otherwise keep a type for each shape of a value as long as the process lives.
 */
class ObjectValue extends Map<string, unknown> {
  override entries(): MapIterator<[string, unknown]> {
    return new Map<string, unknown>().entries();
  }
}
// By this the library knows that it is a map.
Object.defineProperty(ObjectValue.prototype, 'constructor', { value: Map });

/**
 * Takes over what the references read, and no more. Integers within ±(2^53 - 1) become ints, other numbers doubles; a member that is
 * undefined counts as absent; members of objects come in the order of their names, whatever the order they were stored in.
 * @param maxNodes values that are taken over at most
 */
export function admitValues(
  values: Readonly<Record<string, unknown>>,
  references: readonly CelReference[],
  maxNodes: number,
): AdmittedValues | RefusedValues {
  const intake = new Intake(maxNodes);
  const admitted = new Map<string, unknown>();
  const shapes = new Map<string, Shape>();
  for (const [name, part] of partsOf(references)) {
    const value = ownMember(values, name);
    if (value === undefined) continue;
    const shape = growingShape();
    admitted.set(name, intake.admit(value, part, 0, shape));
    shapes.set(name, shape);
    if (intake.refusal !== undefined) return intake.refusal;
  }
  return { ok: true, values: admitted, shapes, nodes: intake.nodes };
}

class Intake {
  nodes = 0;
  chars = 0;
  refusal: RefusedValues | undefined;
  readonly #maxNodes: number;

  constructor(maxNodes: number) {
    this.#maxNodes = maxNodes;
  }

  /**
   * Copies a value, and widens `shape` so that it holds for it too: members of a list share one shape. What it returns after a refusal
   * means nothing.
   */
  admit(value: unknown, part: Part, depth: number, shape: GrowingShape): unknown {
    if (this.refusal !== undefined) return null;
    this.nodes += 1;
    if (this.nodes > this.#maxNodes) return this.#refuseMany();
    switch (typeof value) {
      case 'string':
        this.chars += value.length;
        shape.length = max(shape.length, value.length);
        shape.chars = max(shape.chars, value.length);
        return value;
      case 'boolean':
        return value;
      case 'number':
        if (!isFiniteNumber(value)) return this.#refuse('refused', `${value} is no JSON value`);
        return isSafeInteger(value) ? toInt(value) : value;
      case 'object':
        return value === null ? null : this.#admitObject(value, part, depth, shape);
      default:
        if (value === GETTER) return this.#refuse('refused', 'A member that is computed is read');
        return this.#refuse('refused', `Values of the kind ${typeof value} are no JSON`);
    }
  }

  #admitObject(value: object, part: Part, depth: number, shape: GrowingShape): unknown {
    if (depth >= MAX_CEL_VALUE_DEPTH) {
      return this.#refuse('refused', `Values are nested more than ${MAX_CEL_VALUE_DEPTH} deep`);
    }
    const nodes = this.nodes;
    const chars = this.chars;
    let admitted: unknown[] | ObjectValue;
    if (isArray(value)) {
      admitted = this.#admitItems(value, depth, shape);
    } else if (isPlainObject(value)) {
      admitted = this.#admitMembers(value, part, depth, shape);
    } else {
      return this.#refuse('refused', 'An object that is neither a list nor a plain object is read');
    }
    const length = isArray(admitted) ? admitted.length : admitted.size;
    shape.length = max(shape.length, length);
    shape.nodes = max(shape.nodes, 1 + this.nodes - nodes);
    shape.chars = max(shape.chars, this.chars - chars);
    return admitted;
  }

  #admitItems(list: readonly unknown[], depth: number, shape: GrowingShape): unknown[] {
    const admitted: unknown[] = [];
    for (let at = 0; at < list.length && this.refusal === undefined; at += 1) {
      shape.item ??= growingShape();
      admitted.push(this.admit(ownMember(list, `${at}`), 'all', depth + 1, shape.item));
    }
    return admitted;
  }

  #admitMembers(object: object, part: Part, depth: number, shape: GrowingShape): ObjectValue {
    const admitted = new ObjectValue();
    const members = shape.members[0] ?? new Map<string, GrowingShape>();
    shape.members[0] = members;
    const names = part === 'all' ? keys(object) : [...part.keys()];
    // Before they are sorted.
    if (names.length > this.#maxNodes) this.#refuseMany();
    for (const name of this.refusal === undefined ? names.sort() : []) {
      const member = ownMember(object, name);
      if (member === undefined) continue;
      const inner = members.get(name) ?? growingShape();
      members.set(name, inner);
      const innerPart = part === 'all' ? 'all' : (part.get(name) ?? 'all');
      this.chars += name.length;
      shape.name = max(shape.name, name.length);
      admitted.set(name, this.admit(member, innerPart, depth + 1, inner));
      if (this.refusal !== undefined) break;
    }
    return admitted;
  }

  #refuseMany(): null {
    return this.#refuse('too-many', `More than ${this.#maxNodes} values are read`);
  }

  #refuse(reason: RefusedValues['reason'], message: string): null {
    this.refusal = { ok: false, reason, message };
    return null;
  }
}

function partsOf(references: readonly CelReference[]): Map<string, Part> {
  const roots = new Map<string, Part>();
  for (const { path } of references) {
    let parts: Map<string, Part> = roots;
    for (const [at, name] of path.entries()) {
      const known = parts.get(name);
      if (known === 'all') break;
      if (at === path.length - 1) {
        parts.set(name, 'all');
        break;
      }
      const next = known ?? new Map<string, Part>();
      parts.set(name, next);
      parts = next;
    }
  }
  return roots;
}

/** An own member's value. Undefined where there is none; a getter is not asked and counts as what JSON doesn't hold. */
function ownMember(object: object, name: string): unknown {
  const property = getOwnPropertyDescriptor(object, name);
  if (property === undefined) return undefined;
  return 'value' in property ? property.value : GETTER;
}

const GETTER = Symbol('getter');

/** True for objects of literals and of JSON.parse, of any realm, and for those without a prototype. */
function isPlainObject(value: object): boolean {
  const prototype: unknown = getPrototypeOf(value);
  return prototype === null || getPrototypeOf(prototype) === null;
}

/** A result as JSON, or why it is none. */
export type EmittedValue =
  | { readonly ok: true; readonly value: JsonValue }
  | { readonly ok: false; readonly message: string };

/** Turns a result of the library into a JSON value of its own: ints become numbers. */
export function emitValue(value: unknown): EmittedValue {
  const refusals: string[] = [];
  const emit = (part: unknown): JsonValue => {
    switch (typeof part) {
      case 'string':
      case 'boolean':
        return part;
      case 'bigint':
        if (BigInt.asIntN(54, part) !== part || part === MIN_54_BITS) {
          refusals.push(
            'The result is an integer beyond 2^53, which JSON readers round: make it a text with string()',
          );
        }
        return Number(part);
      case 'number':
        if (!Number.isFinite(part)) {
          refusals.push(`The result is ${part}, which is no JSON value: check what is divided`);
        }
        return part === 0 ? 0 : part;
      case 'object':
        if (part === null) return null;
        if (Array.isArray(part)) return part.map(emit);
        return Object.fromEntries(
          (part instanceof Map ? [...part] : Object.entries(part)).map(
            ([name, member]: [string, unknown]) => [name, emit(member)],
          ),
        );
      default:
        refusals.push(`The result is of the kind ${typeof part}, which JSON doesn't hold`);
        return null;
    }
  };
  const emitted = emit(value);
  const [message] = refusals;
  return message === undefined ? { ok: true, value: emitted } : { ok: false, message };
}

/** -2^53: within 54 bits, and not within what JSON readers keep exactly. */
const MIN_54_BITS = -(2n ** 53n);
