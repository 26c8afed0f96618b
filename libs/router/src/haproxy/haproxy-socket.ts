import { connect } from 'node:net';

const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** Of the 16 KiB that HAProxy reads of one line. */
const MAX_LINE_BYTES = 12 * 1024;

/** Asks HAProxy's socket: commands in one connection, their answers together. Rejects when nobody answers. */
export function askSocket(path: string, command: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const chunks: Buffer[] = [];
    let size = 0;
    const socket = connect({ path });
    const onAbort = () => socket.destroy(new Error('no answer in time'));
    signal.addEventListener('abort', onAbort, { once: true });
    // Half closed: the master's socket waits for more commands otherwise.
    socket.on('connect', () => socket.end(`${command}\n`));
    socket.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_ANSWER_BYTES) socket.destroy(new Error('the answer is too long'));
      else chunks.push(chunk);
    });
    socket.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    socket.on('error', reject);
    socket.on('close', () => {
      signal.removeEventListener('abort', onAbort);
      reject(new Error('the connection was closed'));
    });
  });
}

/** Many commands in as few connections as their length allows; what they answered, blank when all is well. */
export async function tellSocket(
  path: string,
  commands: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  let answers = '';
  let line = '';
  for (const command of commands) {
    if (line !== '' && line.length + command.length > MAX_LINE_BYTES) {
      answers += await askSocket(path, line, signal);
      line = '';
    }
    line = line === '' ? command : `${line};${command}`;
  }
  if (line !== '') answers += await askSocket(path, line, signal);
  return answers.trim();
}

/** Reads what `show stat` answers: one record a row, by the names of the first row. */
export function readStat(text: string): readonly Readonly<Record<string, string>>[] {
  const [head = '', ...rows] = text.trim().split('\n');
  const names = head.replace(/^# /, '').split(',');
  return rows
    .filter((row) => row !== '')
    .map((row) => Object.fromEntries(row.split(',').map((cell, index) => [names[index], cell])));
}

/** Process ids of the workers from before a reload, of what `show proc` answers at the master's socket. */
export function readOldWorkers(text: string): readonly number[] {
  const [, old = ''] = text.split('# old workers');
  const [workers = ''] = old.split('# programs');
  return [...workers.matchAll(/^(\d+)\s+worker\b/gm)].map(([, pid]) => Number(pid));
}
