/**
 * The demo: brings a stack up, tells a story on it (releases that go through environments, or a canary behind a proxy), shows what happened,
 * and stays up until Ctrl-C. Started by infra/demo/start.mjs.
 */

import { DEMO_USAGE } from '../../demo/options.mjs';
import type { Stack } from '../stack/stack-types.ts';
import { removeStackData, startStack } from '../stack/start-stack.ts';
import type { DemoOptions } from './demo-options.ts';
import { parseDemoOptions } from './demo-options.ts';
import type { Told } from './demo-plays.ts';
import { FIRST_PLAY, prepareCanary } from './demo-plays.ts';
import { untilInterrupted } from './interruption.ts';

const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let options: DemoOptions;
  try {
    options = parseDemoOptions(args);
  } catch (error) {
    say(`${(error as Error).message}\n${DEMO_USAGE}`);
    return 2;
  }
  // From here on a signal ends what was started instead of us.
  const interruption = untilInterrupted();
  let stack: Stack | undefined;
  let status = 1;
  try {
    if (options.reset) {
      say(`deleting ${options.dataDir}`);
      await removeStackData(options.dataDir);
    }
    const play = options.canary ? await prepareCanary() : FIRST_PLAY;
    // Not raced: an interrupted start ends what it had started before it fails.
    stack = await startStack({
      ...play.stackOf(options.dataDir),
      dataDir: options.dataDir,
      progress: say,
      signal: interruption.signal,
    });
    const told = await interruption.orElse(play.tell(stack, say));
    status = show(options, stack, told);
    if (!options.once) {
      say('\nIt stays up until Ctrl-C.');
      await interruption.happened;
      status = 0;
    }
  } catch (error) {
    status = interruption.hasHappened() ? 130 : 1;
    if (status === 1) {
      say(describe(error));
    }
  }
  if (stack !== undefined) {
    say('stopping everything that was started …');
    await stack.stop().catch((error: unknown) => say(describe(error)));
    say(`stopped; the data stay in ${options.dataDir}`);
  }
  interruption.close();
  return status;
}

function show(options: DemoOptions, stack: Stack, told: Told): number {
  const problems = told.promotions.flatMap(({ promotion, problems: found }) =>
    found.map((problem) => `promotion ${promotion.id}: ${problem}`),
  );
  const print = options.json ? say : (text: string) => process.stdout.write(`${text}\n`);
  print(`\n${told.text}`);
  if (!options.once) {
    print(told.guide(process.cwd()));
  }
  if (options.json) {
    process.stdout.write(`${JSON.stringify(told.document, null, 2)}\n`);
  }
  for (const problem of problems) {
    say(problem);
  }
  if (problems.length > 0) {
    say(`the logs are in ${stack.layout.logsDir}`);
  }
  return problems.length === 0 ? 0 : 1;
}

function describe(error: unknown): string {
  const { name, message, cause } = error as Error;
  const because =
    cause instanceof Object && 'message' in cause ? ` (${String(cause.message)})` : '';
  const isOurs = typeof (error as { code?: unknown }).code === 'string';
  return isOurs
    ? `${message}${because}`
    : `${name}: ${message}${because}\n${(error as Error).stack}`;
}
