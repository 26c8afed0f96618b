import type { InputValue, JsonValue } from './template.ts';

/** An input as one of the four wired forms; `literal` for what is a value itself. */
export type InputForm =
  | { readonly kind: 'ref' | 'cel' | 'secret'; readonly text: string }
  | { readonly kind: 'literal'; readonly value: JsonValue; readonly inLiteral: boolean };

/** Which form an input has. */
export function inputForm(value: InputValue): InputForm {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const entries = Object.entries(value);
    const [name, member] = entries[0] ?? [];
    if (entries.length === 1) {
      if (name === 'literal') return { kind: 'literal', value: member ?? null, inLiteral: true };
      if (name === 'ref' || name === 'cel' || name === 'secret') {
        return { kind: name, text: String(member) };
      }
    }
  }
  return { kind: 'literal', value: value as JsonValue, inLiteral: false };
}
