import {
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isLeafType,
  isListType,
  isObjectType,
} from 'graphql';

type Field = GraphQLField<unknown, unknown>;

/** A list of the schema: a plain one, or a connection. */
export interface ListField {
  readonly owner: GraphQLObjectType;
  readonly field: Field;
}

/** Sizes of the three connections that stand inside of one another. */
export type Sizes = readonly [number, number, number];

/** Every list that can be come upon from Query, found by walking; the edges of a connection are the connection's. */
export function findLists(schema: GraphQLSchema): readonly ListField[] {
  const query = schema.getQueryType();
  if (query == null) return [];
  const seen = new Set<GraphQLObjectType>([query]);
  const lists: ListField[] = [];
  for (const owner of seen) {
    for (const field of Object.values(owner.getFields())) {
      const type = getNamedType(field.type);
      if (isObjectType(type)) seen.add(type);
      if (isConnection(field) || (isPlainList(field) && field.name !== 'edges')) {
        lists.push({ owner, field });
      }
    }
  }
  return lists;
}

/** A promotion beneath three connections, each inside of the one before: 10 × 1 × 1 or 10 × 10 × 10 of them. */
const PROMOTION_AT = ([a, b, c]: Sizes, selection: string): string =>
  `releases(first: ${a}) { edges { node { promotions(first: ${b}) { edges { node {
    environment { promotions(first: ${c}) { edges { node { ${MARK} ${selection} } } } }
  } } } } } }`;

/** Arguments that fields of Query must be given; what they name is in the lists' scene. */
const ARGUMENTS: Readonly<Record<string, string>> = {
  stepLogs: 'promotion: "place-0/1"',
  stepOutputs: 'promotion: "place-0/1", step: "scan"',
  searchStepLogs: 'promotion: "place-0/1", text: "wrote"',
  pipeline: 'name: "sample"',
};

/** Asked for at each place beneath which the list stands, so that they can be counted. */
export const MARK = 'marked: __typename';

/** A query that has the list beneath three connections (its own included, where it is one of the root). */
export function queryOf(schema: GraphQLSchema, { owner, field }: ListField, sizes: Sizes): string {
  if (owner === schema.getQueryType()) return `{ ${listed(schema, field, sizes[0], sizes)} }`;
  const promotion = schema.getType('Promotion');
  if (!isObjectType(promotion)) throw new Error('There is no type Promotion.');
  const path = findPath(promotion, owner);
  if (path === undefined) return singleQuery(schema, owner, listed(schema, field, sizes[0]));
  const inner = path.reduceRight(
    (selection, step) => `${step} { ${selection} }`,
    `${MARK} ${listed(schema, field, 2)}`,
  );
  return `{ ${PROMOTION_AT(sizes, inner)} }`;
}

/** True for what stands in no promotion, and once in the root: there is one of it, however many rows there are. */
export function isSingle(schema: GraphQLSchema, owner: GraphQLObjectType): boolean {
  const promotion = schema.getType('Promotion');
  return isObjectType(promotion) && findPath(promotion, owner) === undefined;
}

function singleQuery(schema: GraphQLSchema, owner: GraphQLObjectType, selection: string): string {
  const query = schema.getQueryType();
  const path = query == null ? undefined : findPath(query, owner);
  if (path === undefined) {
    throw new Error(`There is no way to ${owner.name}, from Promotion or Query: extend the walk.`);
  }
  const [first = '', ...rest] = path;
  const given = ARGUMENTS[first] === undefined ? first : `${first}(${ARGUMENTS[first]})`;
  return `{ ${[given, ...rest].reduceRight((inner, step) => `${step} { ${inner} }`, selection)} }`;
}

/** The list itself with one leaf; one of the root also with two more connections beneath, where its elements lead there. */
function listed(schema: GraphQLSchema, field: Field, size: number, sizes?: Sizes): string {
  const type = getNamedType(field.type);
  if (!isObjectType(type)) return field.name;
  const all = field.args.some(({ name }) => name === 'all') ? ', all: true' : '';
  const given = ARGUMENTS[field.name];
  if (!isConnection(field)) {
    const asked = given === undefined ? '' : `(${given})`;
    return `${field.name}${asked} { ${elementOf(schema, type, sizes)} }`;
  }
  const edge = getNamedType(type.getFields().edges?.type);
  const node = isObjectType(edge) ? getNamedType(edge.getFields().node?.type) : undefined;
  if (!isObjectType(node)) throw new Error(`${field.name} is a connection without nodes.`);
  const more = given === undefined ? '' : `, ${given}`;
  return `${field.name}(first: ${size}${all}${more}) { edges { node { ${elementOf(schema, node, sizes)} } } }`;
}

function elementOf(schema: GraphQLSchema, type: GraphQLObjectType, sizes?: Sizes): string {
  const leaf = leafOf(type);
  const promotion = schema.getType('Promotion');
  if (sizes === undefined || !isObjectType(promotion)) return leaf;
  const [, b, c] = sizes;
  const beneath = `environment { promotions(first: ${b}) { edges { node {
    release { promotions(first: ${c}) { edges { node { id } } } }
  } } } }`;
  const path = findPath(type, promotion);
  if (path === undefined) return leaf;
  const nested = path.reduceRight((selection, step) => `${step} { ${selection} }`, beneath);
  return `${leaf} ${nested}`;
}

function leafOf(type: GraphQLObjectType): string {
  for (const field of Object.values(type.getFields())) {
    if (isLeafType(getNamedType(field.type)) && field.args.length === 0) return field.name;
  }
  for (const field of Object.values(type.getFields())) {
    const inner = getNamedType(field.type);
    if (isObjectType(inner) && field.args.length === 0) return `${field.name} { ${leafOf(inner)} }`;
  }
  throw new Error(`${type.name} has nothing that can be asked for without arguments.`);
}

/** The shortest way from one type to another by fields that are no connections. */
function findPath(from: GraphQLObjectType, to: GraphQLObjectType): readonly string[] | undefined {
  const ways = new Map<GraphQLObjectType, readonly string[]>([[from, []]]);
  for (const [type, way] of ways) {
    if (type === to) return way;
    for (const field of Object.values(type.getFields())) {
      const next = getNamedType(field.type);
      if (isConnection(field) || !isObjectType(next) || ways.has(next)) continue;
      ways.set(next, [...way, field.name]);
    }
  }
  return undefined;
}

function isPlainList({ type }: Field): boolean {
  return isListType(getNullableType(type));
}

function isConnection({ type }: Field): boolean {
  const named = getNamedType(type);
  return isObjectType(named) && named.getFields().edges !== undefined;
}
