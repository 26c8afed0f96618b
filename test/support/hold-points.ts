import pg from 'pg';
import { waitFor } from './wait-for.ts';

/**
 * Stops transactions of a running stack just before they write a row, so that a process can be killed there. Triggers
 * that only this database has take a shared advisory lock; the test holds the same lock alone.
 *
 * Keys: `releases:<version>`, `effects:<promotion>/<step>[/<target>]`, `commands:<idempotency key>`,
 * `leases:<resource>` (taken or given back: a place in its queue is none), `packets:<promotion>` (the promotion statement).
 */
export interface HoldPoints {
  hold(key: string): Promise<void>;
  /** Waits until somebody stands at the held point. */
  untilReached(key: string): Promise<void>;
  releaseAll(): Promise<void>;
  close(): Promise<void>;
}

const INSTALL = `
create or replace function sluice.test_hold() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock_shared(hashtextextended(tg_argv[0] || ':' || (to_jsonb(new) ->> tg_argv[1]), 0));
  return new;
end $$;
create or replace trigger test_hold before insert on sluice.effects
  for each row execute function sluice.test_hold('effects', 'idempotency_key');
create or replace trigger test_hold before insert on sluice.commands
  for each row execute function sluice.test_hold('commands', 'idempotency_key');
create or replace trigger test_hold before update on sluice.leases
  for each row execute function sluice.test_hold('leases', 'resource');
create or replace trigger test_hold before insert on sluice.releases
  for each row execute function sluice.test_hold('releases', 'version');
create or replace trigger test_hold before insert on sluice.statements
  for each row when (new.predicate_type = 'urn:sluice:promotion:v1')
  execute function sluice.test_hold('packets', 'promotion_id');
`;

/** @param url - of the superuser. */
export async function installHoldPoints(url: string): Promise<HoldPoints> {
  const client = new pg.Client({ connectionString: url, application_name: 'hold-points' });
  client.on('error', () => undefined);
  await client.connect();
  await client.query(INSTALL);
  let last: Promise<unknown> = Promise.resolve();
  /** One after the other: several who wait share the connection. */
  const query = (sql: string, values: readonly string[] = []): Promise<pg.QueryResult> => {
    const next = last.then(() => client.query(sql, [...values]));
    last = next.catch(() => undefined);
    return next;
  };
  return {
    hold: async (key) => {
      await query('select pg_advisory_lock(hashtextextended($1, 0))', [key]);
    },
    untilReached: async (key) => {
      await waitFor(
        `a transaction stands at ${key}`,
        async () => {
          const { rowCount } = await query(
            `select from pg_locks where locktype = 'advisory' and not granted
              and ((classid::bigint << 32) | objid::bigint) = hashtextextended($1, 0)`,
            [key],
          );
          return (rowCount ?? 0) > 0;
        },
        { seconds: 60 },
      );
    },
    releaseAll: async () => {
      await query('select pg_advisory_unlock_all()');
    },
    close: () => client.end(),
  };
}
