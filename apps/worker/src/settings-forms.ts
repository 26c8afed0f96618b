import { isAbsolute } from 'node:path';
import type { SettingsReader } from './settings.ts';

/** One of some words; the first where the variable is absent. */
export function readWord<Word extends string>(
  reader: SettingsReader,
  variable: string,
  words: readonly [Word, ...Word[]],
): Word {
  const text = reader.optional(variable, words[0]);
  const found = words.find((word) => word === text);
  if (found === undefined) {
    reader.refuse(`${variable} is "${text.slice(0, 60)}": write ${words.join(' or ')}.`);
  }
  return found ?? words[0];
}

/** An absolute path; null where the variable is absent. */
export function readPath(reader: SettingsReader, variable: string): string | null {
  const path = reader.optional(variable, undefined);
  if (path === undefined) return null;
  if (!isAbsolute(path)) reader.refuse(`${variable} is no absolute path: write one.`);
  return path;
}

/** A decimal number in bounds; null where the variable is absent. */
export function readNumber(
  reader: SettingsReader,
  variable: string,
  minimum: number,
  maximum: number,
): number | null {
  const text = reader.optional(variable, undefined);
  if (text === undefined) return null;
  const value = Number(text);
  if (/^\d+(?:\.\d+)?$/.test(text) && value >= minimum && value <= maximum) return value;
  reader.refuse(
    `${variable} is "${text.slice(0, 60)}": write a number from ${minimum} to ${maximum}.`,
  );
  return null;
}

/** A whole number in bounds; null where the variable is absent. */
export function readWhole(
  reader: SettingsReader,
  variable: string,
  minimum: number,
  maximum: number,
): number | null {
  if (reader.optional(variable, undefined) === undefined) return null;
  return reader.integer(variable, minimum, minimum, maximum);
}
