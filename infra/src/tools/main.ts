/**
 * Gets the tools of the lock and prints where each one is:
 * `node infra/dist/tools/main.js [--for demo|test]` (absent: all).
 */
import { parseArgs } from 'node:util';
import { getTool } from './get-tool.ts';
import { loadToolsLock } from './tools-lock.ts';

const { values } = parseArgs({ options: { for: { type: 'string' } } });
const lock = await loadToolsLock();
const wanted = lock.tools.filter(
  (tool) => values.for === undefined || tool.for.some((use) => use === values.for),
);
const rows = [['tool', 'version', 'from', 'path']];
for (const { name } of wanted) {
  try {
    const tool = await getTool(name, { lock });
    rows.push([name, tool.version, tool.from, tool.path]);
  } catch (error) {
    process.exitCode = 1;
    process.stderr.write(`${(error as Error).message}\n`);
    rows.push([name, '-', 'missing', '-']);
  }
}
const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
for (const row of rows) {
  process.stdout.write(
    `${row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()}\n`,
  );
}
