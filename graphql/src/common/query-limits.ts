import {
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLCompositeType,
  GraphQLError,
  type GraphQLField,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  getVariableValues,
  isCompositeType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  valueFromAST,
} from 'graphql';
import { MAX_PAGE } from './page.ts';

/** What one operation may ask for. */
export interface QueryLimits {
  /** Nested fields. */
  readonly depth: number;
  /** Aliased fields, fragments spread out. */
  readonly aliases: number;
  /** Fields of Query or Mutation. */
  readonly rootFields: number;
  /** Fields of the answer at most, by the page sizes asked for, and what some fields cost by themselves. */
  readonly cost: number;
}

/** The limits of the public API. */
export const QUERY_LIMITS: QueryLimits = { depth: 14, aliases: 60, rootFields: 20, cost: 60_000 };

/** Lexical tokens of a document; given to the parser. */
export const MAX_QUERY_TOKENS = 4000;

/** How many elements a list without a page size is taken to have. */
const PLAIN_LIST = 10;

/**
 * What a field costs however little of its answer is asked for: what it reads and works out stands in no relation to the fields that it
 * gives. By type and field.
 */
const FIXED_COSTS: ReadonlyMap<string, number> = new Map([
  // Up to 64 MiB of logs.
  ['Query.searchStepLogs', 40_000],
  // A whole log is checked for a piece of it.
  ['Query.stepLog', 3_000],
  // Pipelines of up to 1 MiB, with all that they extend and contain.
  ['Query.previewPromotion', 20_000],
  ['Query.comparePipelines', 20_000],
  ['Query.resolvePipeline', 20_000],
]);

interface Weight {
  readonly depth: number;
  readonly aliases: number;
  readonly cost: number;
}

const NOTHING: Weight = { depth: 0, aliases: 0, cost: 0 };

/**
 * Weighs a validated operation against the limits. Needs validation before, because it relies on there
 * being no fragment cycles. Fragments are weighed once each, so that nesting them costs no time.
 * @param variables as the client sent them; defaults are filled in
 * @returns the error to answer with, or undefined when it is within the limits
 */
export function findExceededLimit(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>>,
  limits: QueryLimits = QUERY_LIMITS,
): GraphQLError | undefined {
  const root = schema.getRootType(operation.operation);
  if (root == null) return undefined;
  const { coerced } = getVariableValues(schema, operation.variableDefinitions ?? [], variables);
  // Variables that don't fit are refused by the execution, before any resolver runs.
  if (coerced === undefined) return undefined;
  const scale = new QueryScale(schema, document, coerced);
  const rootFields = scale.countFields(operation.selectionSet);
  const weight = scale.weigh(operation.selectionSet, root);
  const found: readonly (readonly [keyof QueryLimits, number])[] = [
    ['rootFields', rootFields],
    ['depth', weight.depth],
    ['aliases', weight.aliases],
    ['cost', weight.cost],
  ];
  const exceeded = found.find(([name, value]) => value > limits[name]);
  if (exceeded === undefined) return undefined;
  const [name, value] = exceeded;
  return new GraphQLError(
    `The operation is too large: its ${name} is ${value}, at most ${limits[name]} is allowed; ask for less at once.`,
    { extensions: { code: 'QUERY_TOO_LARGE', limit: name, http: { status: 400 } } },
  );
}

class QueryScale {
  readonly #schema: GraphQLSchema;
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly #variables: Readonly<Record<string, unknown>>;
  readonly #weights = new Map<string, Weight>();
  readonly #counts = new Map<string, number>();

  constructor(
    schema: GraphQLSchema,
    document: DocumentNode,
    variables: Readonly<Record<string, unknown>>,
  ) {
    this.#schema = schema;
    this.#variables = variables;
    this.#fragments = new Map(
      document.definitions.flatMap((node) =>
        node.kind === Kind.FRAGMENT_DEFINITION ? [[node.name.value, node] as const] : [],
      ),
    );
  }

  countFields(set: SelectionSetNode): number {
    let count = 0;
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) count += 1;
      else if (selection.kind === Kind.INLINE_FRAGMENT) {
        count += this.countFields(selection.selectionSet);
      } else count += this.#countFragment(selection.name.value);
    }
    return count;
  }

  weigh(set: SelectionSetNode, parent: GraphQLCompositeType): Weight {
    let total = NOTHING;
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) {
        const name = selection.name.value;
        const aliases = selection.alias === undefined ? 0 : 1;
        const field = fieldOf(parent, name);
        // Introspection is answered from memory; graphql-js bounds its depth itself.
        if (field === undefined) {
          total = add(total, { depth: 1, aliases, cost: 1 });
          continue;
        }
        const type = getNamedType(field.type);
        const inner =
          selection.selectionSet !== undefined && isCompositeType(type)
            ? this.weigh(selection.selectionSet, type)
            : NOTHING;
        const times = this.#timesOf(field, selection);
        total = add(total, {
          depth: inner.depth + 1,
          aliases: inner.aliases + aliases,
          cost: 1 + (FIXED_COSTS.get(`${parent.name}.${name}`) ?? 0) + times * inner.cost,
        });
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        const name = selection.typeCondition?.name.value;
        total = add(total, this.weigh(selection.selectionSet, this.#typeOf(name) ?? parent));
      } else {
        total = add(total, this.#weighFragment(selection.name.value));
      }
    }
    return total;
  }

  #timesOf(
    field: GraphQLField<unknown, unknown>,
    node: Parameters<typeof firstArgument>[0],
  ): number {
    const definition = field.args.find(({ name }) => name === 'first');
    if (definition !== undefined) {
      const argument = firstArgument(node);
      const given =
        argument === undefined
          ? definition.defaultValue
          : valueFromAST(argument.value, definition.type, this.#variables);
      const first = given ?? definition.defaultValue;
      // A page that is larger than any is refused by its own argument, and nothing beneath it is asked for.
      return typeof first === 'number' && first > 0 ? Math.min(first, MAX_PAGE) : 1;
    }
    // The edges of a connection were counted with its page size.
    const isList = isListType(getNullableType(field.type)) && field.name !== 'edges';
    return isList ? PLAIN_LIST : 1;
  }

  #weighFragment(name: string): Weight {
    const known = this.#weights.get(name);
    if (known !== undefined) return known;
    const fragment = this.#fragments.get(name);
    const type = this.#typeOf(fragment?.typeCondition.name.value);
    const weight =
      fragment === undefined || type === undefined
        ? NOTHING
        : this.weigh(fragment.selectionSet, type);
    this.#weights.set(name, weight);
    return weight;
  }

  #countFragment(name: string): number {
    const known = this.#counts.get(name);
    if (known !== undefined) return known;
    const fragment = this.#fragments.get(name);
    const count = fragment === undefined ? 0 : this.countFields(fragment.selectionSet);
    this.#counts.set(name, count);
    return count;
  }

  #typeOf(name: string | undefined): GraphQLCompositeType | undefined {
    const type = name === undefined ? undefined : this.#schema.getType(name);
    return type !== undefined && isCompositeType(type) ? type : undefined;
  }
}

type FieldNode = Extract<SelectionSetNode['selections'][number], { readonly kind: Kind.FIELD }>;

function firstArgument(node: FieldNode) {
  return node.arguments?.find(({ name }) => name.value === 'first');
}

function fieldOf(
  type: GraphQLCompositeType,
  name: string,
): GraphQLField<unknown, unknown> | undefined {
  return isObjectType(type) || isInterfaceType(type) ? type.getFields()[name] : undefined;
}

function add(left: Weight, right: Weight): Weight {
  return {
    depth: Math.max(left.depth, right.depth),
    aliases: left.aliases + right.aliases,
    cost: left.cost + right.cost,
  };
}
