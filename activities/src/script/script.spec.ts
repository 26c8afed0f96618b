import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createFolderStore, type EvidenceStore } from '@sluice/evidence-store';
import { digestOfBytes } from '@sluice/pure';
import { createHostSandbox, type ScriptSandbox } from './script-sandbox.ts';
import { createScriptStage, type ScriptStage } from './testing/script-stage.ts';

let folder: string;
let evidence: EvidenceStore;
let sandbox: ScriptSandbox;
const owned = new Set<string>();
let stage: ScriptStage;

beforeAll(async () => {
  const { getTool } = await import('@sluice/infra');
  sandbox = createHostSandbox({ bubblewrap: (await getTool('bwrap')).path });
  folder = await mkdtemp(join(tmpdir(), 'sluice-script-spec-'));
  evidence = createFolderStore(folder);
  const secrets = {
    'acme/dev/db-password': 'correct-horse',
    'acme/production/owner': 'staple',
    'globex/_shared/db-password': 'theirs',
  };
  stage = createScriptStage({ sandbox, evidence, secrets, owned });
}, 600_000);

afterAll(() => rm(folder, { recursive: true }));

test('a script gives outputs and artifacts, and its log is shown', async () => {
  const { result, log } = await stage.run(
    `echo "applied $1 of $2"
     echo oops >&2
     printf report > report.txt
     echo '{"applied": 3, "names": ["a"]}' > outputs.json`,
    {
      inputs: {
        arguments: ['three', 'four five'],
        outputs: {
          applied: { type: 'integer', minimum: 0 },
          names: { type: 'array', items: { type: 'string' } },
        },
        artifacts: { report: 'report.txt' },
      },
    },
  );
  const digest = digestOfBytes('report');
  expect(result).toEqual({
    outcome: 'succeeded',
    reason: null,
    outputs: { report: digest },
    values: { exitCode: 0, artifacts: { report: digest }, applied: 3, names: ['a'] },
  });
  expect(log).toMatch(/^applied three of four five$/m);
  expect(log).toMatch(/^oops$/m);
  expect(log).toMatch(/\[sluice: the script ended with status 0; it took .* s/);
  expect(await evidence.has(digest)).toBe(true);
});

test('what is too large for its environment comes and goes as a file', async () => {
  const input = Array.from({ length: 8000 }, (_, n) => `host-${n}-${'x'.repeat(120)}`);
  const { result } = await stage.run(
    `{ printf '{"again":'; cat inputs.json; printf '}'; } > outputs.json`,
    { inputs: { input, outputs: { again: { type: 'any' } } } },
  );
  expect(result.reason).toBeNull();
  expect(result.values?.['again']).toEqual(input);
  const clash = await stage.run('true', {
    inputs: { input: 1, files: { 'inputs.json': digestOfBytes('x') } },
  });
  expect(clash.result.reason).toMatchObject({
    code: 'input-invalid',
    message: expect.stringContaining('inputs.json'),
  });
  const small = await stage.run('true', {
    inputs: { input: 'x'.repeat(1_100_000), limits: { diskMiB: 1, memoryMiB: 64 } },
  });
  expect(small.result.reason).toMatchObject({
    message: expect.stringContaining('input has 1100002 bytes'),
  });
});

test('its environment is what was declared and what we say', async () => {
  const { log } = await stage.run("cat /proc/self/environ | tr '\\0' '\\n' | sort", {
    inputs: {
      interpreter: ['/bin/sh'],
      environment: { DB_HOST: 'db.example' },
      secrets: { DB_PASSWORD: 'db-password' },
    },
    member: { region: 'eu' },
    scope: { attempt: 2 },
    idempotencyKey: 'dev/1/migrate/eu',
  });
  expect(log.split('\n').filter((line) => /^[A-Z_]+=/.test(line))).toEqual([
    'DB_HOST=db.example',
    'DB_PASSWORD=***',
    'HOME=/sandbox/work',
    expect.stringMatching(/^PATH=/),
    'PWD=/sandbox/work',
    'SLUICE_ATTEMPT=2',
    'SLUICE_ENVIRONMENT=dev',
    'SLUICE_IDEMPOTENCY_KEY=dev/1/migrate/eu',
    'SLUICE_MEMBER={"region":"eu"}',
    'SLUICE_OUTPUTS=/sandbox/work/outputs.json',
    'SLUICE_PROMOTION=dev/1',
    `SLUICE_RELEASE=sha256:${'1'.repeat(64)}`,
    'SLUICE_SECRETS=/run/secrets',
    'SLUICE_STEP=migrate',
    'SLUICE_TENANT=acme',
  ]);
});

test('script and files come by digest, and only those of its tenant', async () => {
  const put = async (text: string): Promise<string> => {
    const { digest } = await evidence.put(text, { maxBytes: 1000 });
    owned.add(digest);
    return digest;
  };
  const file = await put('cat data/seed; cat sluice-script | wc -l');
  const seed = await put('seeded\n');
  const source = { source: undefined };
  const good = await stage.run('', { inputs: { ...source, file, files: { 'data/seed': seed } } });
  expect(good.result).toMatchObject({ outcome: 'succeeded' });
  expect(good.log).toMatch(/^seeded\n/);

  const { digest: foreign } = await evidence.put('theirs', { maxBytes: 1000 });
  const bad = await stage.run('true', { inputs: { files: { a: foreign } } });
  expect(bad.result.reason).toMatchObject({ code: 'input-unavailable' });
  expect(bad.result.reason?.message).toContain(foreign);
});

test('a status that is not 0 fails with its last lines, without secrets', async () => {
  const { result } = await stage.run(
    'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo "line $i $DB_PASSWORD"; done; exit 7',
    { inputs: { secrets: { DB_PASSWORD: 'db-password' } } },
  );
  expect(result.reason?.code).toBe('script-failed');
  expect(result.reason?.message).toMatch(
    /^The script ended with status 7\. It last wrote:\nline 3 /,
  );
  expect(result.reason?.message).toMatch(/line 12 \*\*\*$/);
  expect(JSON.stringify(result)).not.toContain('correct-horse');
});

test.each<[string, Record<string, unknown>, string, RegExp]>([
  ['an unknown secret', { secrets: { A: 'nothing' } }, 'secret-unknown', /"nothing"/],
  ['a secret of production', { secrets: { A: 'owner' } }, 'secret-unknown', /"owner"/],
  ['a variable of ours', { environment: { SLUICE_STEP: 'x' } }, 'input-invalid', /SLUICE_STEP/],
  ['a secret of ours', { secrets: { SLUICE_X: 'db-password' } }, 'input-invalid', /SLUICE_X/],
  ['more disk than memory', { limits: { memoryMiB: 16, diskMiB: 17 } }, 'input-invalid', /diskMiB/],
  ['an odd variable', { environment: { 'A-B': 'x' } }, 'input-invalid', /A-B/],
  [
    'the secret as an argument',
    { secrets: { A: 'db-password' }, arguments: ['correct-horse'] },
    'input-invalid',
    /argument/,
  ],
  ['no program', { interpreter: ['/nowhere/sh'] }, 'script-failed', /\/nowhere\/sh is not in/],
])('refused: %s', async (_what, inputs, code, message) => {
  const { result } = await stage.run('true', { inputs });
  expect(result).toMatchObject({ outcome: 'failed', reason: { code } });
  expect(result.reason?.message).toMatch(message);
  expect(result.reason?.message).not.toContain('correct-horse');
});

test('what undoes it runs with its inputs, gives nothing, and knows that it undoes', async () => {
  const source =
    'echo "$1 $DB_HOST $SLUICE_IDEMPOTENCY_KEY $SLUICE_UNDO"; echo junk > outputs.json';
  const inputs = {
    arguments: ['up'],
    environment: { DB_HOST: 'db.example' },
    outputs: { applied: { type: 'integer' } },
    artifacts: { report: 'report.txt' },
  };
  const purpose = 'compensate' as const;
  const idempotencyKey = 'dev/1/migrate';
  const undo = { arguments: ['down'] };
  const undone = await stage.run(source, { inputs: { ...inputs, undo }, purpose, idempotencyKey });
  expect(undone.result).toEqual({ outcome: 'succeeded', outputs: {}, reason: null });
  expect(undone.log).toMatch(/^down db.example dev\/1\/migrate true\n/);

  const other = { source: 'echo "other $1"; exit 3' };
  const failed = await stage.run(source, { inputs: { ...inputs, undo: other }, purpose });
  expect(failed.result.reason).toMatchObject({ code: 'script-failed' });
  expect(failed.log).toMatch(/^other up\n/);

  const none = await stage.run('exit 1', { inputs, purpose });
  expect([none.result.outcome, none.log]).toEqual(['succeeded', '']);
});

test('run twice with one key: it runs twice, and can know', async () => {
  const idempotencyKey = 'dev/1/twice';
  for (const attempt of [1, 2]) {
    const { log } = await stage.run('echo "$SLUICE_IDEMPOTENCY_KEY $SLUICE_ATTEMPT"', {
      idempotencyKey,
      scope: { attempt },
    });
    expect(log).toMatch(new RegExp(`^${idempotencyKey} ${attempt}\n`));
  }
});

test('where there is no sandbox, or a limit cannot be kept, nothing is run', async () => {
  const bare = createScriptStage({ evidence });
  const none = await bare.run('true');
  expect(none.result.reason).toMatchObject({ code: 'sandbox-unavailable' });

  const { getTool } = await import('@sluice/infra');
  const bubblewrap = (await getTool('bwrap')).path;
  const plain = createHostSandbox({ bubblewrap, mechanisms: ['prlimit'] });
  const poor = createScriptStage({ evidence, sandbox: plain });
  const unkept = await poor.run('true', { inputs: { limits: { cpus: 1 } } });
  expect(unkept.result.reason).toMatchObject({ code: 'sandbox-unavailable' });
  expect(unkept.result.reason?.message).toContain('cpus');
  // Who did not ask for it is not refused.
  expect((await poor.run('true')).result).toMatchObject({ outcome: 'succeeded' });
});

test('a sandbox that was lost ends no step: no attempt is counted, and another worker may have its own', async () => {
  let troubles = 0;
  const gone = createHostSandbox({ bubblewrap: '/nowhere/bwrap' }, 'none', () => {
    troubles += 1;
  });
  const begun: string[] = [];
  const beginEffect = async (): Promise<void> => void begun.push('begun');
  const lost = createScriptStage({ evidence, sandbox: gone });
  await expect(lost.run('true', { beginEffect })).rejects.toMatchObject({
    name: 'ApplicationFailure',
    type: 'Unavailable',
    nonRetryable: false,
    message: expect.stringMatching(/^Nothing was run: .*apt-get install bubblewrap/),
  });
  expect([begun, troubles]).toEqual([[], 1]);

  // It goes while the files of the script are brought.
  const probes = [sandbox.probe, gone.probe];
  const going = { ...sandbox, probe: () => (probes.shift() ?? gone.probe)() };
  const goes = createScriptStage({ evidence, sandbox: going }).run('true', { beginEffect });
  await expect(goes).rejects.toMatchObject({ type: 'Unavailable' });
  expect(begun).toEqual([]);

  // In the very moment: the attempt has been counted, so it has an end. What undoes is not counted.
  const late = createScriptStage({ evidence, sandbox: { ...sandbox, run: gone.run } });
  const counted = await late.run('true', { beginEffect });
  expect(counted.result.reason).toMatchObject({ code: 'sandbox-unavailable' });
  expect(begun).toEqual(['begun']);
  const undo = { inputs: { undo: {} }, purpose: 'compensate' as const };
  await expect(late.run('true', undo)).rejects.toMatchObject({ type: 'Unavailable' });
});

test('a network is what the worker grants, whatever the pipeline asks for', async () => {
  const inputs = { network: 'all' };
  const refused = await stage.run('echo ran', { inputs });
  expect(refused.result).toMatchObject({
    outcome: 'failed',
    reason: {
      code: 'network-not-granted',
      message: expect.stringContaining('SLUICE_SCRIPT_NETWORK'),
    },
  });
  expect(refused.log).toBe('');
  const granting = createScriptStage({ evidence, sandbox: { ...sandbox, network: 'all' } });
  const count = 'wc -l < /proc/net/dev';
  const all = await granting.run(count, { inputs });
  const none = await granting.run(count);
  const devices = ({ log }: { log: string }): number => Number(log.split('\n')[0]);
  expect(all.result.outcome).toBe('succeeded');
  expect(devices(none)).toBe(3);
  expect(devices(all)).toBeGreaterThan(3);
});

test('of a binary log beginning and end are kept within its bound, as it is shown', async () => {
  const logBytes = 65_536;
  const { log } = await stage.run(
    'echo begun; head -c 60000 /dev/zero; head -c 60000 /dev/zero | tr "\\0" "\\377"; echo; echo the end',
    {
      inputs: { limits: { logBytes } },
    },
  );
  expect(log).toMatch(/^begun\n(?:\\x00)+/);
  expect(log).toMatch(/bytes of stdout left out here\]\n/);
  expect(log).toMatch(/\\xff\nthe end\n\[sluice: the script ended with status 0/);
  expect(Buffer.byteLength(log)).toBeLessThanOrEqual(logBytes + 200);
});

test('no time is left: nothing is run', async () => {
  const { result, log } = await stage.run('echo ran', { scope: { deadline: Date.now() + 1000 } });
  expect(result.reason).toMatchObject({ code: 'script-timed-out' });
  expect(log).toBe('');
});

test('a usable sandbox is tried now and then, an unusable one each time', async () => {
  expect(await sandbox.probe()).toBe(await sandbox.probe());
  const gone = createHostSandbox({ bubblewrap: '/nowhere/bwrap' });
  expect(await gone.probe()).not.toBe(await gone.probe());
});
