import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { findFreePort } from '@sluice/temporal-server';

type Answer = { readonly status: number; readonly body: Record<string, unknown> };

describe('the sample service from 1.2.0 on', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice hello '));
  });

  afterEach(() => rm(folder, { recursive: true }));

  /** What it answers to these paths, and what it says on standard error. */
  async function ask(
    env: Record<string, string>,
    paths: readonly string[],
  ): Promise<{ readonly answers: readonly Answer[]; readonly stderr: string }> {
    const port = await findFreePort(0, new Set());
    const script = fileURLToPath(new URL('../../samples/hello-1.2/server.mjs', import.meta.url));
    const child = spawn(process.execPath, [script], {
      env: { PORT: String(port), VERSION: '1.2.0', ...env },
    });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const answers: Answer[] = [];
    for (const path of paths) {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      const body = (await response.json()) as Record<string, unknown>;
      answers.push({ status: response.status, body });
    }
    const closed = new Promise((resolve) => child.once('close', resolve));
    child.kill();
    await closed;
    return { answers, stderr };
  }

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
