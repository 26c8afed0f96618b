import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Duplex, Readable, Writable } from 'node:stream';
import { listInheritedDescriptors } from './inherited-descriptors.ts';
import { type LogPipe, openLogPipes } from './log-pipe.ts';
import { SCRIPT_FOLDER } from './root-view.ts';
import { SandboxError } from './sandbox-error.ts';
import type { SandboxUser } from './sandbox-host.ts';
import type { LogStream } from './sandbox-run.ts';

const ARGUMENTS_FD = 3;
const BLOCK_FD = 4;
const STATUS_FD = 5;
const GATE_FD = 6;
const FILTER_FD = 7;
const FIRST_CONTENT_FD = 8;
const READY = 'ready\n';
const GO = 'go\n';
const STATUS_BYTES = 65_536;

/**
 * Runs in the sandbox before the script, as the script's user. It waits for our word, and goes on with nothing else: should this
 * process die before the limits are set, the script never starts. It gives itself up to the kernel first when the machine runs
 * out of memory. A program that is missing is said in the log, with the shell's usual exit code.
 */
const STAGE = [
  `echo ready >&${GATE_FD}`,
  `read -r word <&${GATE_FD} || exit 125`,
  '[ "$word" = go ] || exit 125',
  'exec 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-',
  '{ echo 1000 >/proc/self/oom_score_adj; } 2>/dev/null',
  'command -v "$0" >/dev/null || { echo "sluice: the program $0 is not in the sandbox, or cannot be run" >&2; exit 127; }',
  'unset word',
  'exec "$@"',
].join('\n');

/** Bytes that bubblewrap copies to a file in the sandbox. */
export interface SandboxContent {
  /** Absolute, in the sandbox. */
  readonly destination: string;
  /** Octal. */
  readonly mode: string;
  readonly write: (into: Writable) => Promise<void>;
}

/** How a child is started. */
export interface SandboxChildOptions {
  readonly bubblewrap: string;
  readonly user: SandboxUser | undefined;
  /** Of system calls. */
  readonly filter: Uint8Array;
  /** bubblewrap's arguments that come before contents. */
  readonly before: readonly string[];
  readonly contents: readonly SandboxContent[];
  /** And after them. */
  readonly after: readonly string[];
  /** Name of the program that shall be there, then what is executed. */
  readonly program: string;
  readonly command: readonly string[];
}

/** A sandbox that was started. */
export interface SandboxChild {
  readonly logs: Readonly<Record<LogStream, LogPipe['reader']>>;
  /** The first process of the PID namespace, which waits before it starts any other: limits are put on it now. */
  readonly init: Promise<number>;
  /** Lets the sandbox go on to the last step before the script; gives the script's folder. */
  readonly prepare: () => Promise<FileHandle>;
  /** Lets the script start. */
  readonly release: () => void;
  /** bubblewrap's exit code, when nothing of the sandbox is left. */
  readonly ended: Promise<number>;
  /** Ends what there is, at once. */
  readonly kill: () => void;
}

/** Starts bubblewrap; the script does not start before it is released. */
export async function startSandboxChild(options: SandboxChildOptions): Promise<SandboxChild> {
  const pipes = await openLogPipes(options.user);
  let child: ChildProcess;
  const hole = await open('/dev/null', 'r');
  try {
    const contentFd = (index: number): number => FIRST_CONTENT_FD + index;
    const stdio: (number | 'ignore' | 'pipe')[] = [
      ...['ignore' as const, pipes.stdout.writer.fd, pipes.stderr.writer.fd],
      ...['pipe' as const, 'pipe' as const, 'pipe' as const, 'pipe' as const],
      ...['filter', ...options.contents].map(() => 'pipe' as const),
    ];
    for (const descriptor of listInheritedDescriptors()) {
      while (stdio.length <= descriptor) stdio.push('ignore');
      // 'ignore' means /dev/null for the first three only; above them it leaves what is there.
      if (stdio[descriptor] === 'ignore') stdio[descriptor] = hole.fd;
    }
    child = spawn(
      options.bubblewrap,
      [
        '--args',
        `${ARGUMENTS_FD}`,
        '--',
        '/bin/sh',
        '-c',
        STAGE,
        options.program,
        ...options.command,
      ],
      { ...options.user, env: {}, cwd: '/', detached: true, stdio },
    );
    const args = [
      ...options.before,
      ...options.contents.flatMap(({ destination, mode }, index) => [
        ...['--perms', mode, '--file', `${contentFd(index)}`, destination],
      ]),
      ...options.after,
      ...['--chdir', SCRIPT_FOLDER, '--block-fd', `${BLOCK_FD}`],
      ...['--seccomp', `${FILTER_FD}`],
      ...['--json-status-fd', `${STATUS_FD}`],
    ];
    if (child.pid === undefined) {
      const error = await new Promise<Error>((resolve) => child.once('error', resolve));
      throw new SandboxError('sandbox-start-failed', `bubblewrap cannot run: ${error.message}`, {
        cause: error,
      });
    }
    return control(child, child.pid, pipes, args, options, contentFd);
  } catch (error) {
    for (const pipe of Object.values(pipes)) pipe.reader.destroy();
    throw error;
  } finally {
    await hole.close();
    await pipes.stdout.writer.close();
    await pipes.stderr.writer.close();
  }
}

function control(
  child: ChildProcess,
  pid: number,
  pipes: Readonly<Record<LogStream, LogPipe>>,
  args: readonly string[],
  { contents, filter }: Pick<SandboxChildOptions, 'contents' | 'filter'>,
  contentFd: (index: number) => number,
): SandboxChild {
  const ended = new Promise<number>((resolve) => {
    // 128 + 9: the only signal that we send to it.
    child.once('exit', (code) => resolve(code ?? 137));
  });
  // What the other end does with them shows in how it ends.
  const channels = child.stdio as unknown as (Duplex | null)[];
  for (const channel of channels) channel?.on('error', () => undefined);
  const at = (descriptor: number): Duplex => channels[descriptor] as Duplex;
  let init = 0;
  const started = firstLine(at(STATUS_FD)).then((line) => {
    const found = /"child-pid": (\d+)/.exec(line)?.[1];
    if (found === undefined) throw new SandboxError('sandbox-start-failed', 'bubblewrap gave up.');
    init = Number(found);
    return init;
  });
  started.catch(() => undefined);
  at(ARGUMENTS_FD).end(`${args.join('\0')}\0`);
  at(FILTER_FD).end(filter);
  const written = Promise.all(
    contents.map((content, index) => content.write(at(contentFd(index)))),
  );
  written.catch(() => undefined);
  return {
    logs: { stdout: pipes.stdout.reader, stderr: pipes.stderr.reader },
    init: started,
    ended,
    prepare: async () => {
      at(BLOCK_FD).end('x');
      if (`${await firstLine(at(GATE_FD))}\n` !== READY) {
        throw new SandboxError('sandbox-start-failed', 'bubblewrap could not make the sandbox.');
      }
      // A file that was cut short would be another one.
      await written;
      // Open, the folder outlives the sandbox that it was made for; nothing of the script has run yet.
      return await open(
        `/proc/${init}/root${SCRIPT_FOLDER}`,
        constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW,
      );
    },
    release: () => {
      at(GATE_FD).end(GO);
    },
    kill: () => endNow(init === 0 ? pid : init),
  };
}

/** First line of a stream, or what there is of it. */
function firstLine(stream: Readable): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const done = (): void => resolve(text.split('\n')[0] ?? '');
    stream.on('data', (chunk: Buffer) => {
      text = (text + chunk.toString('latin1')).slice(0, STATUS_BYTES);
      if (text.includes('\n')) done();
    });
    stream.once('end', done);
    stream.once('close', done);
  });
}

function endNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}
