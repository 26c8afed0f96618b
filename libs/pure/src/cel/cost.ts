import {
  CEL_FUNCTIONS,
  CEL_MACROS,
  CEL_METHODS,
  CHARS_PER_STEP,
  MADE_CHARS_PER_STEP,
} from './functions.ts';
import { type CelNode, methodName } from './library.ts';
import { MAX_CEL_COST } from './limits.ts';
import {
  bounded,
  growingShape,
  joinShapes,
  listShape,
  SCALAR,
  type Shape,
  textShape,
  widenShape,
} from './shape.ts';

/** Bounds of a node: what it takes, and how big its value can be. */
interface Bound {
  readonly cost: number;
  readonly shape: Shape;
}

type Shapes = ReadonlyMap<string, Shape>;

/**
 * The steps that the evaluation of a tree can take at most. A comprehension counts its body once for each member of the largest list that
 * can stand before it; a branch, the more costly side; a failure that may be caught, what it takes to make it.
 * @param shapes of the values of its variables
 * @param failure steps for one failure; see {@link failureCost}
 */
export function boundCost(root: CelNode, shapes: Shapes, failure: number): number {
  const reckoning = new Reckoning(failure);
  const { cost, shape } = reckoning.bound(root, shapes);
  return bounded(cost + copyCost(shape) + reckoning.work);
}

/** Steps for an error of the library: its stack is what takes time, and it copies the source of so many UTF-16 units. */
export function failureCost(sourceLength: number): number {
  return 160 + Math.ceil(sourceLength / CHARS_PER_STEP);
}

class Reckoning {
  /** Steps that reckoning itself took beyond one per node. */
  work = 0;
  readonly #failure: number;
  readonly #merged = new Map<Shapes, Shape>();

  constructor(failure: number) {
    this.#failure = failure;
  }

  bound(node: CelNode, shapes: Shapes): Bound {
    switch (node.op) {
      case 'value':
        return {
          cost: 1,
          shape: typeof node.args === 'string' ? textShape(node.args.length) : SCALAR,
        };
      case 'id':
        return { cost: 1, shape: shapes.get(node.args) ?? SCALAR };
      case '.':
        return this.#member(this.bound(node.args[0], shapes), node.args[1]);
      case '[]':
        return this.#index(node.args, shapes);
      case 'call':
        return this.#call(node.args, shapes);
      case 'rcall':
        return this.#method(node.args, shapes);
      case 'list': {
        const items = node.args.map((item) => this.bound(item, shapes));
        const shape = {
          ...listShape(items.length, this.#join(items)),
          nodes: bounded(1 + sum(items, (item) => item.shape.nodes)),
          chars: sum(items, (item) => item.shape.chars),
        };
        return { cost: bounded(1 + items.length + sum(items, costOf)), shape };
      }
      case 'map':
        return this.#map(node.args, shapes);
      case '?:': {
        const [condition, ...branches] = node.args.map((part) => this.bound(part, shapes));
        return {
          cost: bounded(1 + costOf(condition) + Math.max(...branches.map(costOf))),
          shape: this.#join(branches),
        };
      }
      case '&&':
      case '||': {
        const operands = node.args.map((part) => this.bound(part, shapes));
        return { cost: bounded(1 + this.#failure + sum(operands, costOf)), shape: SCALAR };
      }
      case '!_':
      case '-_':
        return { cost: 1 + this.bound(node.args, shapes).cost, shape: SCALAR };
      default:
        return this.#binary(node.op, node.args as readonly CelNode[], shapes);
    }
  }

  #binary(op: string, args: readonly CelNode[], shapes: Shapes): Bound {
    const [left = NOTHING, right = NOTHING] = args.map((part) => this.bound(part, shapes));
    const operands = costOf(left) + costOf(right);
    switch (op) {
      case '+':
        return this.#plus(left.shape, right.shape, operands);
      case 'in': {
        const { length, item = SCALAR } = right.shape;
        const each = compareCost(left.shape, item);
        return { cost: bounded(1 + operands + length * each), shape: SCALAR };
      }
      case '==':
      case '!=':
      case '<':
      case '<=':
      case '>':
      case '>=':
        return {
          cost: bounded(1 + operands + compareCost(left.shape, right.shape)),
          shape: SCALAR,
        };
      default:
        return { cost: bounded(1 + operands), shape: SCALAR };
    }
  }

  /** Of texts, lists or numbers: which of them is not known, so each bound holds for all. */
  #plus(left: Shape, right: Shape, operands: number): Bound {
    const length = left.length + right.length;
    const shape: Shape = {
      ...this.#join([
        { cost: 0, shape: left },
        { cost: 0, shape: right },
      ]),
      length: bounded(length),
      nodes: bounded(left.nodes + right.nodes),
      chars: bounded(left.chars + right.chars),
    };
    // Of two texts one is made; two lists are copied.
    const isList = left.item !== undefined || right.item !== undefined;
    const copied = isList ? length : Math.ceil(length / MADE_CHARS_PER_STEP);
    return { cost: bounded(1 + operands + copied), shape };
  }

  #member({ cost, shape }: Bound, name: string): Bound {
    const found: Bound[] = [];
    for (const members of shape.members) {
      const member = members.get(name);
      if (member !== undefined) found.push({ cost: 0, shape: member });
    }
    this.work += STEPS_PER_MERGE * Math.max(0, shape.members.length - 1);
    return { cost: cost + 1, shape: this.#join(found) };
  }

  #index([of, at]: readonly [CelNode, CelNode], shapes: Shapes): Bound {
    const receiver = this.bound(of, shapes);
    if (at.op === 'value' && typeof at.args === 'string') {
      return this.#member({ ...receiver, cost: receiver.cost + 1 }, at.args);
    }
    const cost = bounded(1 + receiver.cost + this.bound(at, shapes).cost);
    const found = receiver.shape.members.map((members) => this.#anyMember(members));
    if (receiver.shape.item !== undefined) found.push(receiver.shape.item);
    return { cost, shape: this.#join(found.map((shape) => ({ cost: 0, shape }))) };
  }

  /** A bound for each member of a map, whatever its name. */
  #anyMember(members: Shapes): Shape {
    const known = this.#merged.get(members);
    if (known !== undefined) return known;
    const merged = growingShape();
    const mayGoOn = (): boolean => {
      this.work += STEPS_PER_MERGE;
      return this.work <= MAX_CEL_COST;
    };
    for (const member of members.values()) widenShape(merged, member, mayGoOn);
    this.#merged.set(members, merged);
    return merged;
  }

  #map(entries: readonly (readonly [CelNode, CelNode])[], shapes: Shapes): Bound {
    const members = new Map<string, Shape>();
    let cost = 1;
    let nodes = 1;
    let chars = 0;
    let name = 0;
    for (const [key, value] of entries) {
      const bound = this.bound(value, shapes);
      const written = String(key.args);
      members.set(written, bound.shape);
      cost += 4 + bound.cost;
      nodes += bound.shape.nodes;
      chars += bound.shape.chars + written.length;
      name = Math.max(name, written.length);
    }
    const shape = {
      ...SCALAR,
      length: entries.length,
      nodes: bounded(nodes),
      chars: bounded(chars),
      name,
      members: [members],
    };
    return { cost: bounded(cost), shape };
  }

  #call([name, args]: readonly [string, CelNode[]], shapes: Shapes): Bound {
    if (name === 'has') {
      const operand = args[0];
      const cost = operand?.op === '.' ? this.bound(operand.args[0], shapes).cost : 0;
      return { cost: 1 + cost, shape: SCALAR };
    }
    const operands = args.map((part) => this.bound(part, shapes));
    const called = CEL_FUNCTIONS.get(name)?.bound(operands.map(shapeOf)) ?? NOTHING;
    return { cost: bounded(1 + called.cost + sum(operands, costOf)), shape: called.shape };
  }

  #method([name, receiver, args]: readonly [string, CelNode, CelNode[]], shapes: Shapes): Bound {
    const of = this.bound(receiver, shapes);
    const [variable] = args;
    if (CEL_MACROS.get(name)?.includes(args.length) && variable?.op === 'id') {
      return this.#comprehension(name, of, variable.args, args.slice(1), shapes);
    }
    const operands = [of, ...args.map((part) => this.bound(part, shapes))];
    const called = CEL_METHODS.get(methodName(name))?.bound(operands.map(shapeOf)) ?? NOTHING;
    return { cost: bounded(1 + called.cost + sum(operands, costOf)), shape: called.shape };
  }

  #comprehension(
    name: string,
    of: Bound,
    variable: string,
    bodies: readonly CelNode[],
    outer: Shapes,
  ): Bound {
    const { length } = of.shape;
    const items: Bound[] = [];
    if (of.shape.item !== undefined) items.push({ cost: 0, shape: of.shape.item });
    // Over a map it goes through the names.
    if (of.shape.members.length > 0) items.push({ cost: 0, shape: textShape(of.shape.name) });
    const item = this.#join(items);
    const shapes = new Map(outer).set(variable, item);
    const body = bodies.map((part) => this.bound(part, shapes));
    const caught = name === 'all' || name === 'exists' ? this.#failure : 0;
    // Its step, the push of a result, and the branch around both.
    const each = 4 + caught + sum(body, costOf);
    const cost = bounded(3 + of.cost + length + length * each);
    if (name === 'map') {
      return { cost, shape: listShape(length, body.at(-1)?.shape ?? SCALAR) };
    }
    if (name === 'filter') {
      return {
        cost,
        shape: of.shape.members.length > 0 ? listShape(length, item) : of.shape,
      };
    }
    return { cost, shape: SCALAR };
  }

  #join(bounds: readonly Bound[]): Shape {
    // Beyond the limit no bound matters any more.
    if (this.work > MAX_CEL_COST) return SCALAR;
    for (const { shape } of bounds) this.work += STEPS_PER_MERGE * shape.members.length;
    return joinShapes(bounds.map(shapeOf));
  }
}

/** Steps for each shape that reckoning takes up into another. */
const STEPS_PER_MERGE = 24;

const NOTHING: Bound = { cost: 1, shape: SCALAR };

function costOf(bound: Bound | undefined): number {
  return bound?.cost ?? 0;
}

function shapeOf({ shape }: Bound): Shape {
  return shape;
}

function sum(bounds: readonly Bound[], of: (bound: Bound) => number): number {
  return bounded(bounds.reduce((total, bound) => total + of(bound), 0));
}

/** Equality ends at the first difference, but asks both sides for their names first. */
function compareCost(left: Shape, right: Shape): number {
  return bounded(
    1 + left.nodes + right.nodes + Math.ceil(Math.min(left.chars, right.chars) / CHARS_PER_STEP),
  );
}

/** What it takes to hand a value out. */
function copyCost(shape: Shape): number {
  return bounded(shape.nodes + Math.ceil(shape.chars / CHARS_PER_STEP));
}
