import type { History } from './history-message.ts';
import { isPayload, isVisited, metadataText } from './history-message.ts';
import {
  COMPARED_HOLDERS,
  EXPRESSION_FIELDS,
  FACT_HOLDERS,
  hasKeptForm,
  isDeclaredName,
  isHidden,
  isKept,
  KEPT_FIELDS,
  PATH_FIELDS,
} from './redaction-rules.ts';

/** Texts in CEL: raw or not, in three quotes or one. */
const LITERAL =
  /([rR]?)(?:"""([\s\S]*?)"""|'''([\s\S]*?)'''|"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)')/g;
const IDENTIFIER = /[A-Za-z_][A-Za-z0-9_]*/g;
const ESCAPE = /\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))/g;
const ESCAPED: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };

/** What a condition asks beyond whether two texts are equal. It may ask that of numbers alone. */
const BEYOND_EQUALITY =
  /[<>+]|\b(?:size|int|double|bool|string)\(|\.(?:startsWith|endsWith|contains|indexOf|lastIndexOf|substring|trim|lowerAscii|upperAscii|split|join|matches)\(/;

/**
 * True of a history whose promotion has a condition that may order texts or look into them: redacted it may replay another way than it
 * went. False where the payloads are not readable.
 */
export function mayLookIntoTexts({ events }: History): boolean {
  return (events ?? []).some((event) => hasSuchPayload(event));
}

function hasSuchPayload(message: unknown): boolean {
  if (!isVisited(message)) return false;
  if (Array.isArray(message)) return message.some(hasSuchPayload);
  if (!isPayload(message)) return Object.values(message).some(hasSuchPayload);
  const value = metadataText(message, 'encoding') === 'json/plain' ? parsed(message.data) : null;
  return hasSuchCondition(value, '');
}

function hasSuchCondition(value: unknown, name: string): boolean {
  if (typeof value === 'string') {
    return EXPRESSION_FIELDS.has(name) && BEYOND_EQUALITY.test(value.replace(LITERAL, '""'));
  }
  if (!isVisited(value)) return false;
  if (Array.isArray(value)) return value.some((one) => hasSuchCondition(one, name));
  return Object.entries(value).some(([field, member]) => hasSuchCondition(member, field));
}

function parsed(data: Uint8Array | null | undefined): unknown {
  try {
    return JSON.parse(Buffer.from(data ?? []).toString('utf8'));
  } catch {
    return null;
  }
}

/**
 * Gathers what is shown as it is and a condition may compare something with, or look something up by: the texts and names that stand in
 * conditions and references, names of parameters and outputs, and what conditions read of the promotion itself.
 * @param name of the field that holds the value
 */
export function gatherConditionTexts(value: unknown, name: string, into: Set<string>): void {
  gather(value, name, false, into);
}

function gather(value: unknown, name: string, isFact: boolean, into: Set<string>): void {
  if (typeof value === 'string') {
    if (EXPRESSION_FIELDS.has(name) && isKept(value, name, KEPT_FIELDS)) {
      addLiterals(value, into);
      addAll(value.replace(LITERAL, '""').match(IDENTIFIER), into);
    }
    if (PATH_FIELDS.has(name) && isKept(value, name, KEPT_FIELDS)) addAll(value.split('.'), into);
    if (isFact && isShown(value, name)) into.add(value);
    return;
  }
  if (!isVisited(value)) return;
  if (Array.isArray(value)) {
    for (const member of value) gather(member, name, isFact, into);
    return;
  }
  const isHolder = isFact || FACT_HOLDERS.has(name);
  for (const [field, member] of Object.entries(value)) {
    // What is called a condition in there is data, or is not shown.
    if (COMPARED_HOLDERS.has(field)) addAll(declaredNames(member), into);
    else if (!isHidden(member, field)) gather(member, field, isHolder, into);
  }
}

function isShown(text: string, name: string): boolean {
  return hasKeptForm(text) || isKept(text, name, KEPT_FIELDS);
}

function declaredNames(value: unknown): readonly string[] {
  if (!isVisited(value) || Array.isArray(value)) return [];
  return Object.keys(value).filter(isDeclaredName);
}

function addAll(texts: readonly string[] | null, into: Set<string>): void {
  for (const text of texts ?? []) into.add(text);
}

function addLiterals(expression: string, into: Set<string>): void {
  for (const [, raw, ...texts] of expression.matchAll(LITERAL)) {
    const text = texts.find((one) => one !== undefined) ?? '';
    into.add(raw === '' ? unescape(text) : text);
  }
}

function unescape(text: string): string {
  return text.replace(ESCAPE, (_all, unicode?: string, hex?: string, one = '') =>
    unicode === undefined && hex === undefined
      ? (ESCAPED[one] ?? one)
      : String.fromCharCode(Number.parseInt(unicode ?? hex ?? '0', 16)),
  );
}
