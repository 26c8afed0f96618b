import { PersistenceError } from '../persistence-error.ts';

/** The only row, or undefined. */
export function firstOf<Row>({ rows }: { readonly rows: readonly Row[] }): Row | undefined {
  return rows[0];
}

/**
 * The row, or a `not-found` error that names what is missing.
 * @param what such as `promotion dev/3`
 */
export function existing<Row>(row: Row | undefined, what: string, tenantId: string): Row {
  if (row !== undefined) return row;
  throw new PersistenceError(
    'not-found',
    `There is no ${what} in tenant ${tenantId}: check the name, or create it first.`,
  );
}

/** SQL that makes one nullable `{code, message}` of two columns. */
export function reasonColumn(code: string, message: string, as: string): string {
  return `case when ${code} is not null
    then jsonb_build_object('code', ${code}, 'message', coalesce(${message}, '')) end as "${as}"`;
}

/** Why something is where it is: stable kebab-case code and a sentence. */
export interface ReasonRecord {
  readonly code: string;
  readonly message: string;
}
