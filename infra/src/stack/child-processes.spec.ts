import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from '@jest/globals';
import { listChildren } from './child-processes.ts';

test('lists the direct children of a process', async () => {
  const child = spawn('sleep', ['30']);
  try {
    await once(child, 'spawn');
    const children = await listChildren(process.pid);
    expect(children).toContain(child.pid);
    expect(await listChildren(child.pid ?? 0)).toEqual([]);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'close');
  }
});
