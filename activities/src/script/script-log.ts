import type { LogStream, SandboxResult, ShownLog } from '@sluice/sandbox';
import { ReadableText } from '../log/readable-text.ts';
import type { StepOutput } from '../step/step-type.ts';

const MOST_LAST_LINES = 10;
const MOST_LAST_CHARACTERS = 1500;

/** Shows one stream as text: what its bytes become there is what the log's bound counts. */
export function showAsText(): ShownLog {
  const text = new ReadableText();
  return {
    push: (bytes) => Buffer.from(text.push(bytes)),
    end: () => Buffer.from(text.end()),
  };
}

/** Hands a script's log on as text, whatever was written, and remembers its end. */
export class ScriptLog {
  readonly #output: StepOutput;
  /** A character may be cut where the bound is. */
  readonly #texts: Readonly<Record<LogStream, ReadableText>> = {
    stdout: new ReadableText(),
    stderr: new ReadableText(),
  };
  #last = '';

  constructor(output: StepOutput) {
    this.#output = output;
  }

  push(chunk: Uint8Array, stream: LogStream): void {
    this.#show(this.#texts[stream].push(chunk));
  }

  /** Shows what was held back, and what it came to. */
  end(result: SandboxResult): void {
    for (const text of Object.values(this.#texts)) this.#show(text.end());
    const newLine = this.#last === '' || this.#last.endsWith('\n') ? '' : '\n';
    this.#output.write(`${newLine}[sluice: ${describeEnd(result)}]\n`);
  }

  /** Its last lines, bounded. */
  get lastLines(): string {
    const lines = this.#last.trimEnd().split('\n').slice(-MOST_LAST_LINES);
    return lines.join('\n').slice(-MOST_LAST_CHARACTERS);
  }

  #show(text: string): void {
    if (text === '') return;
    this.#last = (this.#last + text).slice(-4 * MOST_LAST_CHARACTERS);
    this.#output.write(text);
  }
}

function describeEnd({ outcome, exitCode, signal, usage }: SandboxResult): string {
  const how =
    outcome === 'exited'
      ? `the script ended with status ${exitCode}`
      : outcome === 'killed'
        ? `the signal ${signal} ended the script`
        : `the script was ended: ${outcome}`;
  const { wallMilliseconds, cpuSeconds, peakMemoryBytes } = usage;
  const used = [
    `${(wallMilliseconds / 1000).toFixed(1)} s`,
    ...(cpuSeconds === null ? [] : [`${cpuSeconds.toFixed(1)} s of a processor`]),
    ...(peakMemoryBytes === null ? [] : [`${Math.ceil(peakMemoryBytes / 1_048_576)} MiB`]),
  ];
  return `${how}; it took ${used.join(', ')}`;
}
