import { type CustomScalar, Scalar } from '@nestjs/graphql';
import { FORBIDDEN_NAME, isDigest, MAX_VALUE_DEPTH } from '@sluice/domain';
import { GraphQLError, Kind, type ValueNode, valueFromASTUntyped } from 'graphql';

const INSTANT =
  /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$/;

/** An instant: RFC 3339 in UTC with milliseconds. */
@Scalar('DateTime')
export class DateTimeScalar implements CustomScalar<string, Date> {
  readonly description = 'An instant, RFC 3339 in UTC.';

  parseValue(value: unknown): Date {
    // What else `Date.parse` takes differs from engine to engine.
    const isInstant = typeof value === 'string' && INSTANT.test(value);
    const time = isInstant ? Date.parse(value) : Number.NaN;
    if (Number.isNaN(time)) throw badUserInput('DateTime: write RFC 3339, 2030-01-31T12:00:00Z.');
    return new Date(time);
  }

  serialize(value: unknown): string {
    const date = value instanceof Date ? value : new Date(String(value));
    return date.toISOString();
  }

  parseLiteral(node: ValueNode): Date {
    return this.parseValue(node.kind === Kind.STRING ? node.value : undefined);
  }
}

/**
 * `sha256:<hex>`. Any text is let in: the argument's own check names the field that is wrong, which a
 * scalar can't.
 */
@Scalar('Digest')
export class DigestScalar implements CustomScalar<string, string> {
  readonly description = '`sha256:` and 64 lower-case hexadecimal digits.';

  parseValue(value: unknown): string {
    if (typeof value !== 'string') throw badUserInput('Digest: write sha256:<64 hex digits>.');
    return value;
  }

  serialize(value: unknown): string {
    if (typeof value !== 'string' || !isDigest(value)) {
      throw new TypeError('A stored digest does not have the form sha256:<64 hex digits>.');
    }
    return value;
  }

  parseLiteral(node: ValueNode): string {
    return this.parseValue(node.kind === Kind.STRING ? node.value : undefined);
  }
}

/** Any JSON value that the records can hold, handed through. */
@Scalar('JSON')
export class JsonScalar implements CustomScalar<unknown, unknown> {
  readonly description = 'Any JSON value.';

  parseValue(value: unknown): unknown {
    const fault = findJsonFault(value);
    if (fault !== undefined) throw badUserInput(`JSON: ${fault}.`);
    return value;
  }

  serialize(value: unknown): unknown {
    return value;
  }

  parseLiteral(node: ValueNode): unknown {
    return this.parseValue(valueFromASTUntyped(node));
  }
}

const UNSTORABLE = /\u0000|\p{Surrogate}/u;

/** Without recursion: what comes may be nested as deep as a request is long. */
function findJsonFault(value: unknown): string | undefined {
  const open: { readonly value: unknown; readonly depth: number }[] = [{ value, depth: 0 }];
  for (let each = open.pop(); each !== undefined; each = open.pop()) {
    const { value: part, depth } = each;
    if (depth > MAX_VALUE_DEPTH)
      return `write values within values at most ${MAX_VALUE_DEPTH} deep`;
    if (typeof part === 'string' && UNSTORABLE.test(part)) {
      return 'write texts without the character 0 and without halves of characters';
    }
    if (typeof part === 'number' && !Number.isFinite(part)) return 'write numbers that JSON has';
    if (typeof part !== 'object' || part === null) continue;
    for (const [name, member] of Object.entries(part)) {
      if (name === FORBIDDEN_NAME || UNSTORABLE.test(name)) {
        return `write another name than ${JSON.stringify(name.slice(0, 80))}`;
      }
      open.push({ value: member, depth: depth + 1 });
    }
  }
  return undefined;
}

function badUserInput(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'BAD_USER_INPUT' } });
}
