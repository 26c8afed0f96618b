import type { Pool } from '@sluice/persistence';

/** A pool that counts the statements that go through it. */
export function countStatements(pool: Pool): {
  readonly pool: Pool;
  /** How many since the last call. */
  readonly takeCount: () => number;
} {
  let count = 0;
  const counted: Pool = {
    query: (sql, values) => {
      count += 1;
      return pool.query(sql, values);
    },
    connect: async () => {
      const connection = await pool.connect();
      return {
        query: (sql, values) => {
          count += 1;
          return connection.query(sql, values);
        },
        release: (broken) => connection.release(broken),
      };
    },
    close: () => pool.close(),
  };
  return {
    pool: counted,
    takeCount: () => {
      const taken = count;
      count = 0;
      return taken;
    },
  };
}
