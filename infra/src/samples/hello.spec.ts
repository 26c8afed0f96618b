import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { findFreePort } from '@sluice/temporal-server';

type Answer = {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
};

/** What a version answers to these paths, one after the other, and what it says on standard error. */
async function askVersion(
  version: string,
  sample: string,
  env: Record<string, string>,
  paths: readonly string[],
): Promise<{ readonly answers: readonly Answer[]; readonly stderr: string }> {
  const port = await findFreePort(0, new Set());
  const script = fileURLToPath(new URL(`../../samples/${sample}/server.mjs`, import.meta.url));
  const child = spawn(process.execPath, [script], {
    env: { PORT: String(port), VERSION: version, ...env },
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const answers: Answer[] = [];
  for (const path of paths) {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    const body = (await response.json()) as Record<string, unknown>;
    answers.push({ status: response.status, headers: response.headers, body });
  }
  const closed = new Promise((resolve) => child.once('close', resolve));
  child.kill();
  await closed;
  return { answers, stderr };
}

describe('the sample service from 1.2.0 on', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice hello '));
  });

  afterEach(() => rm(folder, { recursive: true }));

  const ask = (env: Record<string, string>, paths: readonly string[]) =>
    askVersion('1.2.0', 'hello-1.2', env, paths);

  test('counts its greetings in the folder that it is told', async () => {
    const env = { GREETING_STORE: join(folder, 'new store') };
    const { answers } = await ask(env, ['/healthz', '/', '/', '/nowhere']);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 404]);
    expect(answers[2]?.body).toMatchObject({ version: '1.2.0', greetings: 2 });
    const again = await ask(env, ['/']);
    expect(again.answers[0]?.body).toMatchObject({ greetings: 3 });
    expect(await readFile(join(folder, 'new store', 'greetings.count'), 'utf8')).toBe('3');
  });

  test('is not well without one, and names the setting', async () => {
    const { answers, stderr } = await ask({}, ['/healthz', '/']);
    expect(answers.map(({ status }) => status)).toEqual([503, 503]);
    expect(answers[0]?.body['problem']).toMatch(
      /setting GREETING_STORE is missing: name the folder/,
    );
    expect(stderr).toMatch(/hello 1\.2\.0: the setting GREETING_STORE is missing/);
  });

  test('is not well when it cannot write there, and says why', async () => {
    await writeFile(join(folder, 'file'), '');
    const { answers } = await ask({ GREETING_STORE: join(folder, 'file') }, ['/healthz']);
    expect(answers[0]).toMatchObject({
      status: 503,
      body: { problem: expect.stringMatching(/cannot be counted in GREETING_STORE .*EEXIST/) },
    });
  });
});

describe('the sample service in 1.3.0', () => {
  test('is well, says who it is, and fails one greeting of twenty', async () => {
    const paths = ['/healthz', '/nowhere', ...Array<string>(60).fill('/')];
    const env = { TARGET: 'web-1', GREETING_DELAY_MS: '1' };
    const { answers } = await askVersion('1.3.0', 'hello-1.3', env, paths);
    expect(answers.slice(0, 2).map(({ status }) => status)).toEqual([200, 404]);
    expect(answers.filter(({ status }) => status === 500)).toHaveLength(3);
    for (const { headers } of answers) {
      expect([headers.get('x-version'), headers.get('x-target')]).toEqual(['1.3.0', 'web-1']);
    }
  });

  test('is as bad as it is told, and says which setting it does not understand', async () => {
    const env = { GREETING_ERROR_PERCENT: '100', GREETING_DELAY_MS: 'long' };
    const { answers, stderr } = await askVersion('1.3.0', 'hello-1.3', env, ['/']);
    expect(answers[0]).toMatchObject({ status: 500, body: { error: expect.any(String) } });
    expect(stderr).toMatch(/GREETING_DELAY_MS is no number from 0 to 10000/);
  });
});
