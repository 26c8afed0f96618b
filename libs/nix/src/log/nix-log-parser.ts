import type { NixPosition } from '../nix-error.ts';
import type { OutputLine } from '../run/lines.ts';
import type { NixLogEntry } from './nix-log-entry.ts';

// Numbers of Nix' src/libutil/logging.hh.
const ACTIVITY = { copyPath: 100, fileTransfer: 101, builds: 104, build: 105, substitute: 108 };
const RESULT = { buildLogLine: 101, progress: 105, postBuildLogLine: 107 };

const PREFIX = '@nix ';
const MAX_ACTIVITIES = 20_000;
const MAX_TEXT = 16_384;
const STYLE = /\u001b\[[0-9;]*[A-Za-z]/g;

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads what Nix writes with `--log-format internal-json`. The form is not documented and grows: what is not
 * understood is kept as `unknown`, what is understood and of no interest gives nothing.
 */
export class NixLogParser {
  /** Type and subject of the activities that run. */
  readonly #activities = new Map<string, { type: number; derivation: string | null }>();

  /** What a line says; undefined when it is nothing that anybody wants to read. */
  parse(line: OutputLine): NixLogEntry | undefined {
    const unknown: NixLogEntry = { kind: 'unknown', text: shorten(line.text) };
    if (!line.text.startsWith(PREFIX) || line.cut) return line.text === '' ? undefined : unknown;
    let fields: unknown;
    try {
      fields = JSON.parse(line.text.slice(PREFIX.length));
    } catch {
      return unknown;
    }
    if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) return unknown;
    return this.#entry(fields as Fields, unknown);
  }

  #entry(fields: Fields, unknown: NixLogEntry): NixLogEntry | undefined {
    const id = String(fields['id']);
    switch (fields['action']) {
      case 'msg':
        return message(fields) ?? unknown;
      case 'start':
        return this.#start(id, fields);
      case 'stop':
        this.#activities.delete(id);
        return undefined;
      case 'result':
        return this.#result(id, fields, unknown);
      default:
        return unknown;
    }
  }

  #start(id: string, fields: Fields): NixLogEntry | undefined {
    const type = Number(fields['type']);
    const subject = listOf(fields['fields'])[0];
    const isBuild = type === ACTIVITY.build && typeof subject === 'string';
    const derivation = isBuild ? shorten(subject) : null;
    if (this.#activities.size < MAX_ACTIVITIES) this.#activities.set(id, { type, derivation });
    if (derivation !== null) return { kind: 'building', derivation };
    const isTold =
      type === ACTIVITY.copyPath || type === ACTIVITY.fileTransfer || type === ACTIVITY.substitute;
    const text = fields['text'];
    return isTold && typeof text === 'string' && text !== ''
      ? { kind: 'activity', text: shorten(plain(text)) }
      : undefined;
  }

  #result(id: string, fields: Fields, unknown: NixLogEntry): NixLogEntry | undefined {
    const activity = this.#activities.get(id);
    const values = listOf(fields['fields']);
    switch (fields['type']) {
      case RESULT.buildLogLine:
      case RESULT.postBuildLogLine: {
        const text = values[0];
        if (typeof text !== 'string') return unknown;
        return { kind: 'log', derivation: activity?.derivation ?? null, text: shorten(text) };
      }
      case RESULT.progress: {
        if (activity?.type !== ACTIVITY.builds) return undefined;
        const [built, total, running, failed] = values;
        if (!isCount(built) || !isCount(total) || !isCount(running) || !isCount(failed)) {
          return unknown;
        }
        return { kind: 'progress', built, total, running, failed };
      }
      default:
        return undefined;
    }
  }
}

function message(fields: Fields): NixLogEntry | undefined {
  const { level } = fields;
  // `raw_msg` leaves out the position and the excerpt of the file.
  const text = typeof fields['raw_msg'] === 'string' ? fields['raw_msg'] : fields['msg'];
  if (typeof level !== 'number' || typeof text !== 'string') return undefined;
  return { kind: 'message', level, text: shorten(plain(text)), position: positionOf(fields) };
}

function positionOf(fields: Fields): NixPosition | null {
  const { file, line, column } = fields;
  return typeof file === 'string' && isCount(line) && isCount(column)
    ? { file: shorten(file), line, column }
    : null;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** Without the colours that Nix itself puts in. */
function plain(text: string): string {
  return text.replace(STYLE, '');
}

function shorten(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT - 1)}…` : text;
}
