import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { HISTORIES } from './sample-code.ts';

/* The built tool under the debugger, as `sluice replay --inspect` starts it; the spec is the debugger. */
const PROGRAM = fileURLToPath(new URL('../dist/main.js', import.meta.url));
let child: ChildProcess | undefined;
let said = '';

afterEach(() => {
  child?.kill('SIGKILL');
  child = undefined;
  said = '';
});

/** Starts it, stopped at its first line. */
async function startInspected(args: readonly string[]): Promise<Debugger> {
  expect(existsSync(PROGRAM)).toBe(true);
  const started = spawn(process.execPath, ['--inspect-brk=127.0.0.1:0', PROGRAM, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  child = started;
  started.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const url = await new Promise<string>((resolve, reject) => {
    let text = '';
    started.stderr?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const found = /Debugger listening on (ws:\S+)/.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
    started.once('close', () => reject(new Error(`it ended: ${text}`)));
  });
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  return new Debugger(socket);
}

interface Frame {
  readonly callFrameId: string;
  readonly functionName: string;
}

/** As much of the Chrome DevTools protocol as a debugger needs to stop and look. */
class Debugger {
  readonly #socket: WebSocket;
  readonly #answers = new Map<number, (result: Record<string, unknown>) => void>();
  readonly #pauses: Frame[][] = [];
  #wake: () => void = () => undefined;
  #next = 1;
  #isGone = false;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data) => {
      const { id, result, method, params } = JSON.parse(String(data));
      if (id !== undefined) this.#answers.get(id)?.(result ?? {});
      if (method === 'Debugger.paused') this.#pauses.push(params.callFrames);
      // A program that a debugger looks at waits for it before it ends.
      if (method === 'Runtime.executionContextDestroyed') socket.close();
      this.#wake();
    });
    socket.on('close', () => {
      this.#isGone = true;
      this.#wake();
    });
  }

  ask(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = this.#next;
    this.#next += 1;
    this.#socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve) => this.#answers.set(id, resolve));
  }

  /** Where it stopped next; undefined when the program has ended instead. */
  async stopped(): Promise<readonly Frame[] | undefined> {
    while (this.#pauses.length === 0 && !this.#isGone) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#pauses.shift();
  }

  /** Value of an expression where it stands. */
  async read(frame: Frame, expression: string): Promise<unknown> {
    const { callFrameId } = frame;
    const options = { callFrameId, expression, returnByValue: true };
    const { result } = await this.ask('Debugger.evaluateOnCallFrame', options);
    return (result as { value?: unknown }).value;
  }
}

interface Stop {
  readonly event: number;
  readonly eventType: string;
  readonly what: string;
  readonly state: string;
  readonly steps: Readonly<Record<string, string>>;
}

test('stops after each workflow task with the state and the steps in sight', async () => {
  const file = `${HISTORIES}promotion-succeeded-approved.json`;
  const debugged = await startInspected(['inspect', '--input', file]);
  await debugged.ask('Runtime.enable');
  await debugged.ask('Debugger.enable');
  await debugged.ask('Runtime.runIfWaitingForDebugger');
  const first = await debugged.stopped();
  expect(first).toBeDefined();
  await debugged.ask('Debugger.resume');
  const stops: Stop[] = [];
  for (;;) {
    const frames = await debugged.stopped();
    const frame = frames?.[0];
    if (frame === undefined) break;
    const stop = await debugged.read(frame, '({ event, eventType, what, state, steps })');
    stops.push(stop as Stop);
    await debugged.ask('Debugger.resume');
  }
  // 16 workflow tasks, and a stop for each.
  expect(stops).toHaveLength(16);
  expect(stops[0]).toMatchObject({
    event: 1,
    eventType: 'WorkflowExecutionStarted',
    state: 'requested',
    steps: {},
  });
  expect(stops[1]).toMatchObject({
    eventType: 'ActivityTaskCompleted',
    what: 'freezeRules',
    state: 'running',
    steps: { scan: 'pending', approval: 'pending' },
  });
  const waiting = stops.find(({ state }) => state === 'waiting');
  expect(waiting?.steps).toMatchObject({
    plan: 'succeeded',
    approval: 'waiting',
    deploy: 'pending',
  });
  expect(stops.some(({ what }) => what === 'decideApproval')).toBe(true);
  expect(stops.at(-1)).toMatchObject({ state: 'succeeded', steps: { verify: 'succeeded' } });
  expect(stops.map(({ event }) => event)).toEqual(
    [...stops.map(({ event }) => event)].sort((a, b) => a - b),
  );
  expect(said).toMatch(/ 1 {2}WorkflowExecutionStarted/);
  expect(said).toMatch(/ActivityTaskScheduled {2}executeStep deploy host-1/);
  expect(said).toMatch(/→ waiting: scan succeeded, .*approval waiting/);
  expect(said).toMatch(/It fits/);
}, 120_000);
