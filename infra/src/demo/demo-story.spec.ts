import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { toDocument, toTable } from './demo-report.ts';
import { PLACES } from './demo-stage.ts';
import type { StoryStage } from './demo-story.ts';
import { tellStory } from './demo-story.ts';
import { FakeDemoApi } from './fake-demo-api.ts';

const STATES = [
  ['dev/1', 'SUCCEEDED'],
  ['staging/1', 'SUCCEEDED'],
  ['production/1', 'SUCCEEDED'],
  ['dev/2', 'DENIED'],
  ['dev/3', 'SUCCEEDED'],
  ['staging/2', 'REVERTED'],
  ['dev/4', 'SUCCEEDED'],
];

describe('the story of the demo', () => {
  let folder: string;
  let api: FakeDemoApi;
  let stage: StoryStage;
  const servers: Server[] = [];

  async function serve(server: Server): Promise<number> {
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as { port: number }).port;
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice demo '));
    api = new FakeDemoApi();
    const port = await serve(createServer((request, response) => api.serve(request, response)));
    const services = new Map<string, number>();
    for (const { environment, target } of PLACES) {
      const service = createServer((_, response) =>
        response.end(JSON.stringify({ version: api.running.get(environment) })),
      );
      services.set(target, await serve(service));
    }
    stage = {
      dataDir: folder,
      pollMs: 1,
      graphqlUrl: `http://127.0.0.1:${port}/graphql`,
      getServicePort: (target) => services.get(target) ?? 0,
      tokens: Object.fromEntries(
        ['release-manager', 'approver', 'viewer', 'admin'].map((name) => [
          name,
          `token-of-${name}`,
        ]),
      ),
    };
  });

  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
    await rm(folder, { recursive: true });
  });

  test('comes out as it must, in the document that programs read', async () => {
    const lines: string[] = [];
    const story = await tellStory(stage, (line) => lines.push(line));
    expect(story.promotions.flatMap(({ problems }) => problems)).toEqual([]);
    expect(story.promotions.map(({ promotion }) => [promotion.id, promotion.state])).toEqual(
      STATES,
    );
    const { promotions, services, trustRoot } = toDocument(story);
    const packet = join(folder, 'evidence-out', 'production-1.packet.json');
    expect(promotions[2]).toEqual({
      release: 'hello@1.0.0',
      environment: 'production',
      kind: 'promote',
      state: 'succeeded',
      steps: ['scan', 'gate', 'plan', 'approval', 'deploy', 'verify'].map((name) => ({
        ...{ name, state: 'succeeded', seconds: 1.25 },
      })),
      decision: { decision: 'allow', reasonCodes: [] },
      approvals: [{ principal: 'approver', decision: 'approve', plan: FakeDemoApi.PLAN }],
      evidencePacket: packet,
    });
    expect(promotions[3]).toMatchObject({
      decision: { decision: 'deny', reasonCodes: ['secret-found'] },
      approvals: [],
    });
    expect(promotions[6]).toMatchObject({ kind: 'rollback', decision: null });
    expect(services).toEqual(
      PLACES.map(({ environment, target }) => ({
        ...{ environment, target, version: '1.0.0' },
        url: `http://127.0.0.1:${stage.getServicePort(target)}/`,
      })),
    );
    expect(trustRoot).toBe(join(folder, 'evidence-out', 'trust-root.json'));
    expect(await readFile(packet, 'utf8')).toBe('packet of production/1');
    expect(await readFile(trustRoot, 'utf8')).toBe('the keys');
    expect(lines).toContain('promotion dev/1: scan running');
    expect(lines).toContain('    now nothing, then hello 1.0.0');
    expect(lines.join('\n')).not.toContain('token-of-');
  });

  test('each asks with a token of their own: one requests, another approves, a third rolls back', async () => {
    await tellStory(stage, () => undefined);
    const askedBy = (mutation: string): Set<string | undefined> =>
      new Set(api.questions.filter(({ name }) => name === mutation).map(({ token }) => token));
    expect(askedBy('RequestPromotion')).toEqual(new Set(['token-of-release-manager']));
    expect(askedBy('DecideApproval')).toEqual(new Set(['token-of-approver']));
    expect(askedBy('Rollback')).toEqual(new Set(['token-of-admin']));
    const [decision] = api.questions.filter(({ name }) => name === 'DecideApproval');
    expect(decision?.variables['input']).toMatchObject({
      ...{ promotion: 'production/1', plan: FakeDemoApi.PLAN, release: 'id-1.0.0' },
    });
  });

  test('the table fits a hundred columns and says what happened and why', async () => {
    api.reasonOfRevert = `http://127.0.0.1:8081/healthz failed 40 times in a row ${'and again '.repeat(20)}`;
    const table = toTable(await tellStory(stage, () => undefined));
    expect(table.split('\n').filter((line) => line.length > 100)).toEqual([]);
    expect(table).toMatch(/production\/1 +hello 1\.0\.0 +succeeded +✓ 1\.3 .*allow/);
    expect(table).toMatch(/staging\/2 +hello 1\.2\.0 +reverted .*↩/);
    expect(table).toMatch(/dev\/4 +↩ hello 1\.0\.0 +succeeded/);
    expect(table).toContain('dev/2 was denied (secret-found):');
    expect(table).toMatch(/finding {2}private-key in app\/deploy-key\.pem/);
    expect(table).toMatch(/to do {4}remove the key and build again/);
    expect(table).toContain('staging/2 was reverted (service-unhealthy):');
    expect(table).toContain('approve by approver, plan sha256:cccc');
    expect(table).toMatch(/production +1\.0\.0 +http/);
  });

  test.each<[string, (api: FakeDemoApi) => void, RegExp]>([
    ['a state', (fake) => fake.change('dev/2', { state: 'SUCCEEDED' }), /is succeeded, not denied/],
    ['what answers', (fake) => fake.change('staging/2', { runs: '1.2.0' }), /not version 1\.0\.0/],
    ['a rollback', (fake) => fake.change('dev/4', { version: '1.2.0' }), /is of 1\.2\.0, not of/],
  ])('%s that is not as it must be is a problem', async (_, change, problem) => {
    change(api);
    const { promotions } = await tellStory(stage, () => undefined);
    expect(promotions.flatMap(({ problems }) => problems).join('\n')).toMatch(problem);
  });

  test('no path of ours goes to the API', async () => {
    await tellStory(stage, () => undefined);
    expect(JSON.stringify(api.questions.map(({ variables }) => variables))).not.toContain('/tmp');
  });
});
