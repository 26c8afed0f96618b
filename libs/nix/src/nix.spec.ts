import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { getTool } from '@sluice/infra';
import { evaluate } from './evaluate.ts';
import { getNix, probeNix } from './nix.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-nix-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('a machine without Nix is told how to get it', async () => {
  const probe = await probeNix({ scratch: folder, searchPath: folder });
  expect(probe).toMatchObject({ found: false, remedy: expect.stringContaining('nix-bin') });
});

test('a real Nix is found with its version', async () => {
  const searchPath = `${dirname((await getTool('nix')).path)}:/usr/bin:/bin`;
  const probe = await probeNix({ scratch: folder, searchPath });
  expect(probe).toMatchObject({
    found: true,
    nix: { version: expect.stringMatching(/^2\.\d+/), storeExecutable: expect.any(String) },
  });
}, 600_000);

test('a Nix that went away since it was found is missing', async () => {
  const nix = await getNix({ scratch: folder, executable: (await getTool('nix')).path });
  const gone = { ...nix, executable: join(folder, 'gone') };
  await expect(evaluate(gone, { expression: '1' })).rejects.toMatchObject({ code: 'nix-missing' });
});

test.each([{ 'bad name': 'x' }, { sandbox: 'false\npost-build-hook = /bin/sh' }])(
  '%j is no setting',
  async (settings) => {
    const probe = probeNix({ scratch: folder, executable: (await getTool('nix')).path, settings });
    await expect(probe).rejects.toMatchObject({ code: 'nix-input-invalid' });
  },
);

test.each(['/bin/cat', '/bin/true'])('%s is no Nix', async (executable) => {
  expect((await probeNix({ scratch: folder, executable })).found).toBe(false);
});
