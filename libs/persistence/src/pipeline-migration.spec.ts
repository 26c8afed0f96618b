import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { digestOfBytes } from '@sluice/pure';
import pg from 'pg';
import { findTenancyProblems } from './catalogue-walk.ts';
import { migrate } from './migrate.ts';
import { MIGRATIONS_FOLDER } from './migration-files.ts';
import { withEmptyDatabase } from './testing/index.ts';

let before: string;

/** The migrations up to 000006, as the release before pipelines as data had them. */
beforeAll(async () => {
  before = await mkdtemp(join(tmpdir(), 'sluice-migrations-'));
  for (const name of await readdir(MIGRATIONS_FOLDER)) {
    if (!/^00000[1-6]_/.test(name)) continue;
    await writeFile(join(before, name), await readFile(join(MIGRATIONS_FOLDER, name)));
  }
});

afterAll(() => rm(before, { recursive: true, force: true }));

const NOTHING = 'sha256:94bc51a60f2c0c58e26f135cd1047155ae9c29dbde86051ff282920e0777c066';
const made = digestOfBytes('made');

const OLD_DATA = [
  `insert into sluice.tenants (tenant_id) values ('acme')`,
  `insert into sluice.environments (tenant_id, environment_id, position, pipeline_id, policy_id, deadlines)
     values ('acme', 'dev', 1, 'standard', 'release-gate', '{}')`,
  `insert into sluice.pipelines (tenant_id, pipeline_id, version, pipeline_digest, body)
     values ('acme', 'standard', 2, 'd', '{}')`,
  `insert into sluice.releases (tenant_id, release_digest, name, version, body, created_by) values
     ('acme', '${NOTHING}', 'nothing', '0', '{}', 'sluice'), ('acme', '${made}', 'made', '1', '{}', 'alice')`,
  `insert into sluice.promotions (tenant_id, promotion_id, environment_id, number, release_digest, kind, state,
     requested_by, requested_person, traceparent, requested_reason, rollback_to) values
     ('acme', 'dev/1', 'dev', 1, '${NOTHING}', 'promote', 'running', 'alice', 'alice', 't', null, null),
     ('acme', 'dev/2', 'dev', 2, '${NOTHING}', 'rollback', 'running', 'alice', 'alice', 't', 'broke', 'nothing')`,
  `insert into sluice.promotion_steps (tenant_id, promotion_id, step_id, ordinal, type, state)
     values ('acme', 'dev/1', 'scan', 0, 'scan@1', 'running')`,
  `insert into sluice.workflow_executions (tenant_id, workflow_id, workflow_type) values
     ('acme', 'promotion/acme/dev/1', 'promoteRelease'), ('acme', 'shard/acme/dev/1/deploy/1/0', 'runShard')`,
];

test('what was there stays, with the defaults of before; a release is bound once', async () => {
  await withEmptyDatabase(async (superuserUrl) => {
    await migrate({ superuserUrl, folder: before, rolePasswords: {} });
    const client = new pg.Client({ connectionString: superuserUrl });
    await client.connect();
    try {
      for (const sql of OLD_DATA) await client.query(sql);
      await migrate({ superuserUrl, rolePasswords: {} });
      expect(await findTenancyProblems(superuserUrl)).toEqual([]);
      const { rows } = await client.query(
        `select e.pipeline_version, e.pipeline_parameters, p.parameters, p.target_labels, l.published_by,
                s.output_values, s.attempts
           from sluice.environments e, sluice.pipelines l, sluice.promotions p
           join sluice.promotion_steps s using (tenant_id, promotion_id)`,
      );
      expect(rows).toEqual([
        {
          pipeline_version: null,
          pipeline_parameters: {},
          parameters: {},
          target_labels: null,
          published_by: null,
          output_values: {},
          attempts: 0,
        },
      ]);
      const executions = await client.query(
        `select workflow_id as id, promotion_id as promotion from sluice.workflow_executions order by 1`,
      );
      expect(executions.rows).toEqual([
        { id: 'promotion/acme/dev/1', promotion: 'dev/1' },
        { id: 'shard/acme/dev/1/deploy/1/0', promotion: 'dev/1' },
      ]);
      const bind = (promotionId: string, digest: string) =>
        client.query(`update sluice.promotions set release_digest = $2 where promotion_id = $1`, [
          promotionId,
          digest,
        ]);
      await expect(bind('dev/2', made)).rejects.toThrow('Promotion dev/2 keeps its release.');
      await bind('dev/1', made);
      await bind('dev/1', made);
      await expect(bind('dev/1', NOTHING)).rejects.toThrow('Promotion dev/1 keeps its release.');
      await expect(
        client.query(
          `update sluice.promotions set parameters = '{"a": 1}' where kind = 'rollback'`,
        ),
      ).rejects.toMatchObject({ code: '23514' });
    } finally {
      await client.end();
    }
  });
});
