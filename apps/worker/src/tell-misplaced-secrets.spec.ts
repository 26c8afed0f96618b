import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { createLogger } from '@sluice/observability';
import { tellMisplacedSecrets } from './tell-misplaced-secrets.ts';

function listen() {
  const said: unknown[][] = [];
  const log = createLogger({ service: 'test', level: 'silent' });
  log.warn = ((...words: unknown[]) => void said.push(words)) as typeof log.warn;
  return { log, said };
}

test('of many misplaced secrets some are named', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-misplaced-'));
  try {
    await mkdir(join(folder, 'acme', 'dev'), { recursive: true });
    const { log, said } = listen();
    await tellMisplacedSecrets(folder, log);
    expect(said).toEqual([]);
    for (let n = 10; n < 32; n += 1) await writeFile(join(folder, 'acme', `s${n}`), 'x');
    await tellMisplacedSecrets(folder, log);
    expect(said).toEqual([
      [
        { tenant: 'acme', secrets: expect.arrayContaining(['s10', 's29']) },
        expect.stringMatching(/s28, s29 and 2 more: move them to .*acme\/<environment>/),
      ],
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a folder that cannot be listed is a warning, and nothing more', async () => {
  const { log, said } = listen();
  // Root, who may run this, can list what others cannot.
  const folder = join(tmpdir(), 'sluice-misplaced-nowhere');
  await tellMisplacedSecrets(folder, log);
  expect(said).toEqual([
    [
      { err: expect.objectContaining({ code: 'ENOENT' }) },
      expect.stringContaining(`tenant's folder of ${folder}, where no step reads them`),
    ],
  ]);
});
