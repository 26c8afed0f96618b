import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * When a process started, in a form that differs for every process that ever has the same id on
 * this machine; absent when there is none. Only this and the id together name a process.
 */
export function findStartTime(pid: number): string | undefined {
  try {
    if (process.platform === 'linux') {
      // proc(5): field 22, counted after the command's name, which may hold spaces and brackets.
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
      const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
      return fields[0] === 'Z' ? undefined : `${bootId}/${fields[19]}`;
    }
    const output = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' });
    return output.trim() === '' ? undefined : output.trim();
  } catch {
    return undefined;
  }
}
