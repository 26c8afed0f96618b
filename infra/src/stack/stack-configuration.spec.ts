import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import type { AppPlan } from './stack-apps.ts';
import { listAppNames, planAgents, planApp } from './stack-apps.ts';
import { writeConfiguration } from './stack-configuration.ts';
import { getStackLayout } from './stack-layout.ts';
import { chooseStackPorts } from './stack-ports.ts';
import type { StackPrincipal } from './stack-secrets.ts';
import { ensureSecrets, hashToken, tokenFileOf } from './stack-secrets.ts';
import type { StackOptions } from './stack-types.ts';

const PRINCIPALS: readonly StackPrincipal[] = [
  { name: 'anna', role: 'approver', tokens: 2 },
  { name: 'robot', role: 'approver', kind: 'service', owner: 'anna' },
];

describe('what a stack is configured with', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-stack-'));
  });

  afterEach(() => rm(folder, { recursive: true }));

  test('environments with their order and rules, people with their tokens', async () => {
    const layout = getStackLayout(folder);
    const secrets = await ensureSecrets(layout, 'acme', PRINCIPALS);
    await writeConfiguration(
      layout,
      {
        tenant: 'acme',
        sources: [],
        environments: [
          { name: 'dev', position: 1 },
          {
            ...{ name: 'prod', position: 2, after: [], pipeline: 'approved' },
            ...{ approval: { count: 2 }, rollback: { roles: ['release-manager'] } },
          },
          {
            ...{ name: 'lane', position: 3, pipeline: 'hotfix-lane@2' },
            parameters: { watchSeconds: 5 },
          },
        ],
        pipelines: ['/srv/hotfix-lane.yaml'],
        targets: [{ name: 'host', environment: 'dev', api: 'api-2' }],
        principals: PRINCIPALS,
      },
      { 'service:host': 1234 },
      secrets,
    );
    const text = await readFile(layout.configFile, 'utf8');
    const { environments, pipelines, principals, targets } = parse(text) as Record<
      string,
      unknown[]
    >;
    expect(pipelines).toEqual(['/srv/hotfix-lane.yaml']);
    expect(environments).toEqual([
      { name: 'dev', position: 1, pipeline: 'standard', policy: 'release-gate' },
      {
        ...{ name: 'prod', position: 2, after: [], pipeline: 'approved', policy: 'release-gate' },
        ...{ approval: { count: 2 }, rollback: { roles: ['release-manager'] } },
      },
      {
        ...{ name: 'lane', position: 3, pipeline: 'hotfix-lane@2', policy: 'release-gate' },
        parameters: { watchSeconds: 5 },
      },
    ]);
    const hashes = ['anna', 'anna#2', 'robot'].map((name) => hashToken(secrets.tokens[name] ?? ''));
    expect(new Set(hashes).size).toBe(3);
    expect(principals).toEqual([
      { name: 'anna', role: 'approver', tokenHashes: hashes.slice(0, 2) },
      { ...PRINCIPALS[1], tokenHash: hashes[2] },
    ]);
    expect(targets).toMatchObject([{ settings: { PORT: '1234' } }]);
    expect(targets?.[0]).not.toHaveProperty('api');
    expect((await stat(tokenFileOf(layout, 'anna#2'))).mode & 0o777).toBe(0o600);
    for (const token of Object.values(secrets.tokens)) expect(text).not.toContain(token);
  });

  function makePlan(options: AppPlan['options'] & Pick<StackOptions, 'env'>): AppPlan {
    const layout = getStackLayout(folder);
    return {
      ...{ layout, options, tenant: 'acme', trivy: 'trivy', agentIdentity: undefined },
      ...{ configFile: layout.configFile, enrolmentKey: undefined, env: options.env ?? {} },
      ...{ temporalAddress: 'localhost:1', temporalNamespace: 'sluice' },
      ports: { api: 7070, 'api-2': 7071 },
      secrets: { tokens: {}, databasePasswords: {} },
      databaseUrls: { sluice_watchdog: 'postgres://watchdog' },
    };
  }

  test('a second API on a port of its own, with what the first one was told', () => {
    const plan = makePlan({ apis: 2, env: { api: { A: '1' }, 'api-2': { B: '2' } } });
    expect(listAppNames(2)).toEqual(['signer', 'api', 'api-2', 'worker']);
    expect(planApp(plan, 'api').env).toMatchObject({ SLUICE_API_PORT: '7070', A: '1' });
    expect(planApp(plan, 'api').env).not.toHaveProperty('B');
    const second = planApp(plan, 'api-2');
    expect(second).toMatchObject({
      name: 'api-2',
      env: { SLUICE_API_PORT: '7071', A: '1', B: '2' },
    });
    expect(second.env['SLUICE_CODEC_KEYS']).toBe(plan.layout.codecKeys);
    expect(second.env).not.toHaveProperty('SLUICE_ENROLLMENT_KEY');
    const [agent] = planAgents(plan, [{ name: 'host', api: 'api-2' }]);
    expect(agent?.env['SLUICE_AGENT_CONTROL_PLANE']).toBe('http://127.0.0.1:7071');
  });

  test('seconds and numbers that were asked for, and a collector that stands in our environment', () => {
    process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = 'http://collector';
    try {
      const plan = makePlan({ watchdogSeconds: 2, supersedeGraceSeconds: 3, keepReleases: 4 });
      const worker = planApp(plan, 'worker').env;
      expect(worker).toMatchObject({
        SLUICE_WATCHDOG_SECONDS: '2',
        SLUICE_SUPERSEDE_GRACE_SECONDS: '3',
        SLUICE_WATCHDOG_DATABASE_URL: 'postgres://watchdog',
      });
      const [agent] = planAgents(plan, [{ name: 'host' }]);
      expect(agent?.env['SLUICE_AGENT_KEEP_RELEASES']).toBe('4');
      const parts = [worker, agent?.env, planApp(plan, 'api').env, planApp(plan, 'signer').env];
      for (const env of parts) {
        expect(env).toMatchObject({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector' });
      }
      const silent = planApp(makePlan({}), 'worker').env;
      expect(silent).not.toHaveProperty('SLUICE_WATCHDOG_SECONDS');
    } finally {
      delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
    }
  });

  test('services and further APIs count up from their first port', async () => {
    const names = ['api', 'api-2', 'service:a', 'service:b'];
    const asked = Object.fromEntries(names.map((name) => [name, 0]));
    const moved: string[] = [];
    const any = await chooseStackPorts(join(folder, 'any.json'), names, asked, (name) =>
      moved.push(name),
    );
    expect([new Set(Object.values(any)).size, moved]).toEqual([4, []]);
    const ports = await chooseStackPorts(join(folder, 'ports.json'), names, {}, (name, wanted) =>
      moved.push(`${name} ${wanted}`),
    );
    // Whatever is taken on this machine moves on from these.
    const wanted = { 'api-2': 7071, 'service:b': 8081 };
    for (const [name, first] of Object.entries(wanted)) {
      expect(ports[name] === first || moved.includes(`${name} ${first}`)).toBe(true);
    }
  });
});
