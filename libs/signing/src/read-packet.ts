import { PACKET_SCHEMA } from '@sluice/domain';
import { canonicalJson } from '@sluice/pure';
import { MAX_PACKET_STATEMENTS } from './packet.ts';
import {
  hasExactlyKeys,
  isJsonObject,
  parseStrictJson,
  type StrictJsonError,
} from './strict-json.ts';

/** Largest packet that is read. Bytes. */
export const MAX_PACKET_BYTES = 64 * 1024 * 1024;

/** One thing that is wrong with a packet. */
export interface PacketProblem {
  /** `packet`, `root`, or `statements[2] (urn:sluice:decision:v1)`: what the problem is in. */
  readonly statement: string;
  /** Stable, kebab-case. */
  readonly code: string;
  readonly message: string;
}

/** A packet whose outer form was checked; its statements were not. */
export interface ReadPacket {
  readonly promotion: string;
  readonly statements: readonly unknown[];
  readonly root: unknown;
}

/**
 * Reads a packet's outer form: strict bounded JSON in its one canonical text, with at most a line break after it.
 * What is wrong is added to `problems`, with the part it is in. Another text of a well-formed packet is a problem,
 * but the packet is returned all the same: its statements can still be checked, so that a changed one gets named.
 */
export function readPacket(
  source: unknown,
  problems: PacketProblem[],
): { packet: ReadPacket; text: string } | undefined {
  const isText = typeof source === 'string' || ArrayBuffer.isView(source);
  let value: unknown = source;
  if (isText) {
    try {
      value = parseStrictJson(source as string | Uint8Array, {
        maxBytes: MAX_PACKET_BYTES,
        maxDepth: 8,
      });
    } catch (error) {
      const { message, path } = error as StrictJsonError;
      return add(problems, labelOf(path ?? []), 'json-invalid', `${message}.`);
    }
  }
  const malformed = (what: string): undefined => {
    return add(problems, 'packet', 'packet-malformed', `This is no evidence packet: ${what}.`);
  };
  if (
    !isJsonObject(value) ||
    !hasExactlyKeys(value, ['schema', 'promotion', 'statements', 'root'])
  ) {
    return malformed('it must have schema, promotion, statements and root, and nothing else');
  }
  const { schema, promotion, statements, root } = value;
  if (schema !== PACKET_SCHEMA) return malformed(`its schema must be ${PACKET_SCHEMA}`);
  if (typeof promotion !== 'string') return malformed('promotion must be a text');
  if (!Array.isArray(statements) || statements.length > MAX_PACKET_STATEMENTS) {
    return malformed(`statements must be a list of at most ${MAX_PACKET_STATEMENTS}`);
  }
  const text = canonicalJson(value);
  const found = isText ? textOf(source as string | Uint8Array) : text;
  if (found !== text && found !== `${text}\n`) {
    const label = labelOfDifference(found, text, value);
    const what =
      'The text is not as it was sealed (canonical JSON, at most a line break after it).';
    add(problems, label, 'packet-not-canonical', `${what} Fetch the packet again.`);
  }
  return { packet: { promotion, statements, root }, text };
}

/** Notes a problem; returns nothing, so that a caller can return it. */
export function add(
  problems: PacketProblem[],
  statement: string,
  code: string,
  message: string,
): undefined {
  problems.push({ statement, code, message });
}

function labelOf(path: readonly (string | number)[]): string {
  if (path[0] === 'root') return 'root';
  return path[0] === 'statements' && typeof path[1] === 'number'
    ? `statements[${path[1]}]`
    : 'packet';
}

/** The part of a packet in which a text first differs from the packet's canonical text. */
function labelOfDifference(
  text: string,
  canonical: string,
  packet: Record<string, unknown>,
): string {
  let difference = 0;
  while (text[difference] === canonical[difference]) difference += 1;
  const parts: [string, unknown][] = [['root', packet['root']]];
  for (const [index, statement] of (packet['statements'] as unknown[]).entries()) {
    parts.push([`statements[${index}]`, statement]);
  }
  let from = 0;
  for (const [label, part] of parts) {
    const partText = canonicalJson(part);
    const start = canonical.indexOf(partText, from);
    from = start + partText.length;
    if (difference >= start && difference < from) return label;
  }
  return 'packet';
}

function textOf(source: string | Uint8Array): string {
  if (typeof source === 'string') return source;
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(source);
}
