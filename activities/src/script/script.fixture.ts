import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createMemorySecrets } from '../secrets/memory-secrets.ts';
import type { FixtureInputs, StepFixture } from '../testing/step-fixture.ts';
import { createHostSandbox } from './script-sandbox.ts';

/** Tells the world what it did. */
const SOURCE = `
exec 3<>"/dev/tcp/127.0.0.1/$PORT"
printf 'POST /%s HTTP/1.0\\r\\nx-key: %s\\r\\nx-name: %s\\r\\n\\r\\n' "$1" "$SLUICE_IDEMPOTENCY_KEY" "$NAME" >&3
cat <&3 > answer.txt
printf '{"told": "%s"}' "$1" > outputs.json
`;

/** `script@1` in its world: a sandbox of this machine (with `bwrap` on PATH), and a server that scripts tell what they do. */
export const SCRIPT_FIXTURE: StepFixture = {
  type: 'script@1',
  open: async ({ tenantId }) => {
    const done: string[] = [];
    const standing = new Set<string>();
    const server = createServer(({ url, headers }, response) => {
      const name = String(headers['x-name']);
      if (url === '/do') {
        done.push(String(headers['x-key']));
        standing.add(name);
      } else standing.delete(name);
      response.end('ok');
    });
    const port = await listen(server);
    const telling = (name: string): FixtureInputs => ({
      interpreter: ['/bin/bash', '-eu'],
      source: SOURCE,
      arguments: ['do'],
      environment: { PORT: `${port}`, NAME: name },
      network: 'all',
      outputs: { told: { type: 'string', maxLength: 10 } },
      artifacts: { answer: 'answer.txt' },
      undo: { arguments: ['undo'] },
    });
    return {
      parts: {
        sandbox: createHostSandbox({}, 'all'),
        secrets: createMemorySecrets({ [`${tenantId}/_shared/token`]: 'correct-horse' }),
      },
      runs: [
        {
          name: 'with a secret',
          inputs: { source: 'echo "$TOKEN"\n', secrets: { TOKEN: 'token' } },
        },
        { name: 'with an effect that it undoes', inputs: telling('undone') },
      ],
      failures: [
        { name: 'a status', inputs: { source: 'exit 3\n' }, code: 'script-failed' },
        {
          name: 'a secret that is not there',
          inputs: { source: 'true\n', secrets: { TOKEN: 'none' } },
          code: 'secret-unknown',
        },
        {
          name: 'an output of another type',
          inputs: {
            source: 'echo \'{"n": "one"}\' > outputs.json\n',
            outputs: { n: { type: 'integer' } },
          },
          code: 'output-invalid',
        },
        {
          name: 'no end',
          inputs: { source: 'sleep 1000\n', limits: { seconds: 1 } },
          code: 'script-timed-out',
        },
      ],
      slow: { name: 'a long sleep', inputs: { source: 'sleep 1000\n' } },
      effects: async () => done,
      isUndone: async ({ inputs }) =>
        !standing.has((inputs['environment'] as { NAME?: string } | undefined)?.NAME ?? ''),
      close: async () => {
        server.closeAllConnections();
        server.close();
      },
    };
  },
};

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}
