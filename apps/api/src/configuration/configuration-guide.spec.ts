import { readFile } from 'node:fs/promises';
import { expect, test } from '@jest/globals';
import { readWatchRules } from '@sluice/domain';
import { readConfiguration } from './parse-configuration.ts';

const guide = new URL('../../../../docs/guides/configuration.md', import.meta.url);

/** The guide's file, with what it leaves to the reader: whole hashes, and no pipeline that is not beside it. */
async function exampleOf(): Promise<string> {
  const text = await readFile(guide, 'utf8');
  const [, block = ''] = /```yaml\n(schema: sluice\.config\/v1.*?)```/s.exec(text) ?? [];
  let hashes = 0;
  return block
    .replace(/sha256:[0-9a-f]{4}…/g, () => {
      hashes += 1;
      return `sha256:${String(hashes).repeat(64)}`;
    })
    .replace(/\n {2}- pipelines\/rollout\.yaml\n/, '\n');
}

test("the guide's example is a configuration, and says every key that is known", async () => {
  const text = await exampleOf();
  expect(text).toContain('routers:');
  const { configuration, listProblems } = readConfiguration(text.replace('pipelines: ', '# '), {
    file: 'sluice.config.yaml',
    folder: '/etc/sluice',
    policies: ['release-gate'],
  });
  expect(listProblems()).toEqual([]);
  expect(configuration).toMatchObject({
    tenant: 'acme',
    environments: [
      { name: 'dev', watch: { onAlarm: 'rollback' } },
      { name: 'prod', watch: null },
    ],
    targets: [{ name: 'dev-host-1' }],
    routers: [{ name: 'dev-proxy', settings: { backend: 'shop' } }],
    budgets: [{ name: 'shop', maxUnavailable: 1 }],
    principals: [{ name: 'alice' }, { name: 'ci' }],
  });
  // What stands there as a default is the default.
  const shortest = readWatchRules({
    seconds: 1800,
    probes: {},
    burnRate: { objective: 0.999 },
    onAlarm: 'rollback',
  });
  expect(shortest).toEqual({ ok: true, value: configuration.environments[0]?.watch });
});
