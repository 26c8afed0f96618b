import { accepted, type Outcome, refused } from '@sluice/domain';

/** What a `Signature-Input` field says, read strictly. */
export interface SignatureInput {
  readonly label: string;
  readonly components: readonly string[];
  readonly parameters: ReadonlyMap<string, string | number>;
}

const HEAD = /^([a-z*][a-z0-9_.*-]{0,63})=\(([^()]{0,512})\)((?:;[^,]*)?)$/;
const COMPONENT = /^"(@?[a-z][a-z0-9-]{0,63})"$/;
const PARAMETER = /;([a-z*][a-z0-9_.*-]{0,63})=(?:(-?[0-9]{1,15})|"((?:[ !#-[\]-~]|\\["\\])*)")/y;
const MAX_FIELD = 2048;

/**
 * Reads a `Signature-Input` field (RFC 9421 section 4.1) that holds exactly one signature, plain components
 * without parameters, and integer or string parameters, each once. All else is refused: what is not
 * understood could mean that another thing was signed. Refusal: `signature-malformed`.
 */
export function parseSignatureInput(field: string): Outcome<SignatureInput> {
  const [, label, list, tail] = (field.length <= MAX_FIELD && HEAD.exec(field)) || [];
  if (label === undefined || list === undefined || tail === undefined) {
    return malformed('write exactly one signature with its components in parentheses');
  }
  const components: string[] = [];
  for (const token of list === '' ? [] : list.split(' ')) {
    const name = COMPONENT.exec(token)?.[1];
    if (name === undefined) return malformed(`${token} is no plain component`);
    if (components.includes(name)) return malformed(`${token} stands twice`);
    components.push(name);
  }
  const parameters = new Map<string, string | number>();
  PARAMETER.lastIndex = 0;
  for (let at = 0; at < tail.length; at = PARAMETER.lastIndex) {
    PARAMETER.lastIndex = at;
    const [, name, integer, text] = PARAMETER.exec(tail) ?? [];
    if (name === undefined) return malformed('its parameters are not understood');
    if (parameters.has(name)) return malformed(`parameter ${name} stands twice`);
    parameters.set(
      name,
      integer === undefined ? (text ?? '').replaceAll(/\\(.)/g, '$1') : Number(integer),
    );
  }
  return accepted({ label, components, parameters });
}

function malformed(what: string): Outcome<SignatureInput> {
  return refused('signature-malformed', `Signature-Input is not understood: ${what}.`);
}
