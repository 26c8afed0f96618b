import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { findTool, getInstallLine, getTool } from './get-tool.ts';
import type { ToolRoom } from './tool-room.ts';
import type { LockedTool, ToolsLock } from './tools-lock.ts';

const BINARY = '#!/bin/sh\necho "Version: 1.5.0"\n';

describe('getTool', () => {
  let folder: string;
  let lines: string[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice tools '));
    lines = [];
    await mkdir(join(folder, 'bin'));
    await mkdir(join(folder, 'system'));
  });

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  function room(overrides: Partial<ToolRoom> = {}): Partial<ToolRoom> {
    return {
      env: {
        PATH: join(folder, 'bin'),
        FAKE_WHEEL: join(folder, 'wheel'),
        LOG: join(folder, 'log'),
      },
      platform: 'linux-x64',
      cacheFolder: join(folder, 'cache'),
      systemFolders: [],
      servicePolicyFile: join(folder, 'policy-rc.d'),
      progress: (line) => lines.push(line),
      ...overrides,
    };
  }

  async function script(path: string, body: string): Promise<void> {
    await writeFile(join(folder, path), `#!/bin/sh\n${body}\n`);
    await chmod(join(folder, path), 0o755);
  }

  /** A python3 whose pip copies FAKE_WHEEL and whose unpacking copies the wheel itself. */
  async function fakePython(path: string): Promise<void> {
    await script(
      path,
      `case "$*" in
  *version_info*) exit 0;;
  "-m pip --version") echo pip 23;;
  "-m pip download"*) echo download >> "$LOG"; while [ "$1" != --dest ]; do shift; done
    /bin/cp "$FAKE_WHEEL" "$2/fake-1.5.0-py3-none-any.whl" || { echo "no such wheel"; exit 1; };;
  *) /bin/cp "$3" "$5";;
esac`,
    );
  }

  function lockOf(
    overrides: Partial<LockedTool> = {},
    sums: [(string | undefined)?, string?] = [],
  ): ToolsLock {
    const sha256 = createHash('sha256').update(BINARY).digest('hex');
    const wheel = {
      file: 'fake-1.5.0-py3-none-any.whl',
      bytes: BINARY.length,
      sha256: sums[0] ?? sha256,
      innerPath: 'fake/bin/fake',
      innerSha256: sums[1] ?? sha256,
    };
    const tool: LockedTool = {
      name: 'fake',
      version: '1.5.0',
      onPath: '>=1.4.0 <2.0.0',
      versionArguments: ['--version'],
      purpose: 'fakes',
      for: ['test'],
      licence: 'MIT',
      originNote: 'none',
      origin: {
        kind: 'wheel',
        package: 'fake',
        version: '1.5.0',
        platforms: { 'linux-x64': wheel },
      },
      ...overrides,
    };
    return { tools: [tool] };
  }

  test('takes a supported version from PATH', async () => {
    await script('bin/fake', 'echo fake 1.4.2');
    expect(await getTool('fake', { lock: lockOf(), room: room() })).toEqual({
      name: 'fake',
      path: join(folder, 'bin/fake'),
      version: '1.4.2',
      from: 'path',
    });
  });

  test('passes over an unsupported version, downloads once, then answers from the cache', async () => {
    await script('bin/fake', 'echo fake 2.0.0');
    await fakePython('bin/python3');
    await writeFile(join(folder, 'wheel'), BINARY);
    const first = await getTool('fake', { lock: lockOf(), room: room() });
    const second = await getTool('fake', { lock: lockOf(), room: room() });
    expect(first).toMatchObject({ version: '1.5.0', from: 'cache' });
    expect(second).toEqual(first);
    expect(await readFile(first.path, 'utf8')).toBe(BINARY);
    expect(await readFile(join(folder, 'log'), 'utf8')).toBe('download\n');
    expect(lines.join('\n')).toMatch(
      /is version 2\.0\.0, supported is >=1\.4\.0 <2\.0\.0; not used/,
    );
  });

  test('several at once all get the same whole file and leave nothing behind', async () => {
    await fakePython('bin/python3');
    await writeFile(join(folder, 'wheel'), BINARY);
    const tools = await Promise.all(
      [1, 2, 3, 4].map(() => getTool('fake', { lock: lockOf(), room: room() })),
    );
    expect(new Set(tools.map((tool) => tool.path)).size).toBe(1);
    expect(await readdir(join(folder, 'cache/tools'))).toHaveLength(1);
  });

  test('a damaged cached file is fetched again', async () => {
    await fakePython('bin/python3');
    await writeFile(join(folder, 'wheel'), BINARY);
    const { path } = await getTool('fake', { lock: lockOf(), room: room() });
    await writeFile(path, 'damaged');
    await getTool('fake', { lock: lockOf(), room: room() });
    expect(await readFile(path, 'utf8')).toBe(BINARY);
  });

  test.each([
    { what: 'the wheel', sums: ['0'.repeat(64)] as [string] },
    { what: 'the inner file', sums: [undefined, '0'.repeat(64)] as [undefined, string] },
  ])('refuses $what when its sum differs', async ({ sums }) => {
    await fakePython('bin/python3');
    await writeFile(join(folder, 'wheel'), BINARY);
    const refusal = getTool('fake', { lock: lockOf({}, sums), room: room() });
    await expect(refusal).rejects.toMatchObject({ code: 'tool-sum-differs' });
    expect(await readdir(join(folder, 'cache/tools'))).toEqual([]);
  });

  test('falls back to the system python when the first one cannot be run', async () => {
    await script('bin/python3', 'echo "pyenv: cannot run" >&2; exit 127');
    await fakePython('system/python3');
    await writeFile(join(folder, 'wheel'), BINARY);
    const tool = await getTool('fake', {
      lock: lockOf(),
      room: room({ systemFolders: [join(folder, 'system')] }),
    });
    expect(tool.from).toBe('cache');
  });

  test('no python at all is one line: what, why, how', async () => {
    const refusal = getTool('fake', { lock: lockOf(), room: room() });
    await expect(refusal).rejects.toMatchObject({ code: 'tool-needs-python' });
    await expect(refusal).rejects.toThrow(/^Python 3 is missing: .*\(it fakes\).*; install it .*$/);
  });

  test('python without pip is said so', async () => {
    await script('bin/python3', 'case "$*" in *version_info*) exit 0;; *) exit 1;; esac');
    await expect(getTool('fake', { lock: lockOf(), room: room() })).rejects.toThrow(
      /^pip is missing for Python 3: .*apt-get install python3-pip/,
    );
  });

  test('a download that fails says what pip said', async () => {
    await fakePython('bin/python3');
    await expect(getTool('fake', { lock: lockOf(), room: room() })).rejects.toThrow(
      /no such wheel/,
    );
  });

  test('a platform without a wheel is told to bring its own', async () => {
    await expect(
      getTool('fake', { lock: lockOf(), room: room({ platform: 'linux-s390x' }) }),
    ).rejects.toMatchObject({ code: 'tool-no-origin' });
  });

  describe('of the distribution', () => {
    const debianTool: Partial<LockedTool> = { origin: { kind: 'debian', package: 'fake-pkg' } };

    test('is installed by root with apt, with fresh lists when the first try fails', async () => {
      await writeFile(join(folder, 'wheel'), BINARY);
      await script(
        'bin/apt-get',
        `echo "$DEBIAN_FRONTEND $*" >> "$LOG"
case "$*" in
  *update) : > "$LOG.lists";;
  *) [ -e "$LOG.lists" ] || { echo "no lists"; exit 100; }
    /bin/cp "$FAKE_WHEEL" "$PATH/fake"; /bin/chmod +x "$PATH/fake";;
esac`,
      );
      const found = await getTool('fake', {
        lock: lockOf(debianTool),
        room: room({ isRoot: true }),
      });
      expect(found).toEqual({
        name: 'fake',
        path: join(folder, 'bin/fake'),
        version: '1.5.0',
        from: 'path',
      });
      const calls = (await readFile(join(folder, 'log'), 'utf8')).trim().split('\n');
      const install = /^noninteractive .*install --no-install-recommends fake-pkg$/;
      expect(calls).toEqual([
        expect.stringMatching(install),
        expect.stringMatching(/update$/),
        expect.stringMatching(install),
      ]);
    });

    test('comes without its service', async () => {
      await writeFile(join(folder, 'wheel'), BINARY);
      await script(
        'bin/apt-get',
        `/bin/cat "${folder}/policy-rc.d" >> "$LOG"
/bin/cp "$FAKE_WHEEL" "$PATH/fake"; /bin/chmod +x "$PATH/fake"`,
      );
      await script('bin/systemctl', 'echo "$*" >> "$LOG"');
      const origin = { kind: 'debian', package: 'fake-pkg', service: 'faked' } as const;
      await getTool('fake', { lock: lockOf({ origin }), room: room({ isRoot: true }) });
      expect(await readFile(join(folder, 'log'), 'utf8')).toBe(
        '#!/bin/sh\nexit 101\ndisable faked\n',
      );
      expect(await readdir(folder)).not.toContain('policy-rc.d');
    });

    test('is found where only root looks', async () => {
      await script('system/fake', 'echo fake 1.4.2');
      const found = await findTool('fake', {
        lock: lockOf(debianTool),
        room: room({ systemFolders: [join(folder, 'system')] }),
      });
      expect(found?.path).toBe(join(folder, 'system/fake'));
    });

    test('is not got by looking for it, and the line that installs it can be told', async () => {
      await script('bin/apt-get', 'echo called >> "$LOG"');
      const options = { lock: lockOf(debianTool), room: room({ isRoot: true }) };
      expect(await findTool('fake', options)).toBeUndefined();
      expect(await getInstallLine('fake', options)).toBe('apt-get install fake-pkg');
      expect(await readdir(folder)).not.toContain('log');
    });

    test('is asked for where nobody may install it', async () => {
      await script('bin/apt-get', 'exit 0');
      await expect(
        getTool('fake', { lock: lockOf(debianTool), room: room({ isRoot: false }) }),
      ).rejects.toThrow(/as root: apt-get install fake-pkg$/);
    });

    test('that cannot be had says what apt said', async () => {
      await script('bin/apt-get', 'echo "E: Unable to locate package"; exit 100');
      await expect(
        getTool('fake', { lock: lockOf(debianTool), room: room({ isRoot: true }) }),
      ).rejects.toThrow(/apt-get update said "E: Unable to locate package"/);
    });
  });

  test('an unknown tool is refused', async () => {
    await expect(getTool('other', { lock: lockOf(), room: room() })).rejects.toMatchObject({
      code: 'tool-unknown',
    });
  });

  describe('built with go', () => {
    const goTool: Partial<LockedTool> = {
      origin: { kind: 'go', module: 'example.com/x/fake', version: 'v1.5.0' },
    };

    test('installs into the cache once', async () => {
      await script(
        'bin/go',
        `[ "$1" = env ] && { echo sum.golang.org; exit 0; }
echo "$*" >> "$LOG"; /bin/mkdir -p "$GOBIN"; /bin/cp "$FAKE_WHEEL" "$GOBIN/fake"; /bin/chmod +x "$GOBIN/fake"`,
      );
      await writeFile(join(folder, 'wheel'), BINARY);
      expect(await findTool('fake', { lock: lockOf(goTool), room: room() })).toBeUndefined();
      const first = await getTool('fake', { lock: lockOf(goTool), room: room() });
      expect(await findTool('fake', { lock: lockOf(goTool), room: room() })).toEqual(first);
      expect(await getTool('fake', { lock: lockOf(goTool), room: room() })).toEqual(first);
      expect(await readFile(join(folder, 'log'), 'utf8')).toBe(
        'install example.com/x/fake@v1.5.0\n',
      );
      expect(lines.join('\n')).toContain('checksum database (sum.golang.org)');
    });

    test('a failing build says what go said', async () => {
      await script('bin/go', 'echo "no route to proxy" >&2; exit 1');
      await expect(getTool('fake', { lock: lockOf(goTool), room: room() })).rejects.toThrow(
        /no route to proxy/,
      );
    });
  });
});
