import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { toDocument, toTable } from './demo-report.ts';
import type { StoryStage } from './demo-story.ts';
import { tellStory } from './demo-story.ts';

type Question = { readonly query: string; readonly variables: Record<string, unknown> };

/** An API that answers as the real one does, from memory. */
class FakeApi {
  readonly questions: Question[] = [];
  stateOfLeaking = 'DENIED';
  serviceVersion = '1.0.0';
  #polls = 0;

  answer(question: Question): unknown {
    this.questions.push(question);
    const input = (question.variables['input'] ?? {}) as Record<string, string>;
    const name = /(?:query|mutation) Demo(\w+)/.exec(question.query)?.[1];
    switch (name) {
      case 'Agents':
        return { targets: [{ name: 'dev-host-1', agent: { state: 'ONLINE' } }] };
      case 'CreateRelease':
        return { createRelease: { ...this.#request(input['version'], 'RESOLVING') } };
      case 'ReleaseRequest':
        return { releaseRequest: this.#request(String(question.variables['id']), 'CREATED') };
      case 'RequestPromotion':
        return {
          requestPromotion: {
            __typename: 'Promotion',
            ...this.#promotion(input['release'] === 'id-1.0.0' ? 'dev/1' : 'dev/2', false),
          },
        };
      case 'Promotion':
        this.#polls += 1;
        return {
          promotion: this.#promotion(String(question.variables['id']), this.#polls % 2 === 0),
        };
      case 'Packet':
        return { promotion: { packet: { document: `packet of ${question.variables['id']}` } } };
      default:
        return { trustRoot: { document: 'the keys' } };
    }
  }

  #request(version: string | undefined, state: string): Record<string, unknown> {
    const components = [{ name: 'hello', digest: `sha256:${'a'.repeat(64)}` }];
    const release = { id: `id-${version}`, name: 'hello', version, components };
    return {
      __typename: 'ReleaseRequest',
      id: version,
      state,
      release: state === 'CREATED' ? release : null,
      refusal: null,
    };
  }

  #promotion(id: string, hasEnded: boolean): Record<string, unknown> {
    const isClean = id === 'dev/1';
    const step = (name: string, state: string, seconds: number | null): unknown => ({
      ...{ id: name, state, seconds, reason: null },
    });
    const entry = {
      rule: 'no-secrets',
      result: 'DENY',
      finding: 'private-key in app/deploy-key.pem',
      remedy: 'remove the key and build again',
    };
    return {
      id,
      kind: 'PROMOTE',
      state: hasEnded ? (isClean ? 'SUCCEEDED' : this.stateOfLeaking) : 'RUNNING',
      traceId: null,
      reason: null,
      release: { id: 'x', name: 'hello', version: isClean ? '1.0.0' : '1.1.0' },
      environment: { name: 'dev' },
      steps: hasEnded
        ? [step('scan', 'SUCCEEDED', 1.25), step('deploy', isClean ? 'SUCCEEDED' : 'SKIPPED', null)]
        : [step('scan', 'RUNNING', null), step('deploy', 'PENDING', null)],
      decision: hasEnded
        ? {
            decision: isClean ? 'ALLOW' : 'DENY',
            reasonCodes: isClean ? [] : ['secret-found'],
            trace: isClean ? [] : [entry],
          }
        : null,
      packet: hasEnded ? { digest: 'sha256:x' } : null,
    };
  }
}

describe('the story of the demo', () => {
  let folder: string;
  let api: FakeApi;
  let server: Server;
  let stage: StoryStage;
  let authorization: string | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice demo '));
    api = new FakeApi();
    server = createServer((request, response) => {
      if (request.method === 'GET') {
        response.end(JSON.stringify({ service: 'hello', version: api.serviceVersion }));
        return;
      }
      authorization = request.headers.authorization;
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () =>
        response.end(JSON.stringify({ data: api.answer(JSON.parse(body) as Question) })),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    stage = {
      dataDir: folder,
      graphqlUrl: `http://127.0.0.1:${port}/graphql`,
      getServicePort: () => port,
      tokens: { 'release-manager': 'secret-token' },
    };
  });

  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });

  test('comes out as it must, in the document that programs read', async () => {
    const lines: string[] = [];
    const story = await tellStory(stage, (line) => lines.push(line));
    expect(story.promotions.flatMap(({ problems }) => problems)).toEqual([]);
    const packet = join(folder, 'evidence-out', 'dev-1.packet.json');
    expect(toDocument(story)).toEqual({
      promotions: [
        {
          release: 'hello@1.0.0',
          environment: 'dev',
          kind: 'promote',
          state: 'succeeded',
          steps: [
            { name: 'scan', state: 'succeeded', seconds: 1.25 },
            { name: 'deploy', state: 'succeeded', seconds: null },
          ],
          decision: { decision: 'allow', reasonCodes: [] },
          evidencePacket: packet,
        },
        expect.objectContaining({
          state: 'denied',
          decision: { decision: 'deny', reasonCodes: ['secret-found'] },
        }),
      ],
      trustRoot: join(folder, 'evidence-out', 'trust-root.json'),
    });
    expect(await readFile(packet, 'utf8')).toBe('packet of dev/1');
    expect(await readFile(story.trustRootFile, 'utf8')).toBe('the keys');
    expect(authorization).toBe('Bearer secret-token');
    expect(lines).toContain('promotion dev/1: scan running');
    expect(lines.join('\n')).not.toContain('secret-token');
  });

  test('the table names the rule, the finding and what to do', async () => {
    const table = toTable(await tellStory(stage, () => undefined));
    expect(table).toMatch(/dev\/1 +hello 1\.0\.0 +succeeded +✓ scan 1\.3s {2}✓ deploy/);
    expect(table).toContain('dev/2 was denied (secret-found):');
    expect(table).toMatch(/finding {2}private-key in app\/deploy-key\.pem/);
    expect(table).toMatch(/to do {4}remove the key and build again/);
  });

  test('what does not come out as it must is a problem', async () => {
    api.stateOfLeaking = 'SUCCEEDED';
    api.serviceVersion = '1.1.0';
    const { promotions } = await tellStory(stage, () => undefined);
    expect(promotions.map(({ problems }) => problems.length)).toEqual([1, 2]);
    expect(promotions[1]?.problems[0]).toMatch(/it is succeeded, not denied/);
  });

  test('no server path goes to the API', async () => {
    await tellStory(stage, () => undefined);
    expect(JSON.stringify(api.questions.map(({ variables }) => variables))).not.toContain('/tmp');
  });
});
