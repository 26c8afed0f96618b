import { readFile, stat } from 'node:fs/promises';
import { hasFormat, isName } from '@sluice/domain';
import { parseDocument } from 'yaml';
import type { TextOrSecret } from '../http/http-inputs.ts';

const MAX_FILE_BYTES = 1024 * 1024;
const MAX_PROBLEMS = 50;
const SECRET_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/** What is wrong with a file of the worker's configuration: one line per problem, as wrong settings are told. */
export class SettingsFileError extends Error {
  readonly code = 'settings-invalid';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'SettingsFileError';
    this.problems = problems;
  }
}

/** An object as it was read. */
export type Members = Readonly<Record<string, unknown>>;

/** Reads a YAML or JSON file strictly, and gathers every problem that there is. */
export class SettingsFile {
  readonly #path: string;
  readonly #problems: string[] = [];

  constructor(path: string) {
    this.#path = path;
  }

  /** Notes a problem: where, and what is wrong there, without a full stop. */
  tell(at: string, what: string): void {
    const line = `${this.#path}: ${at === '' ? '' : `${at} `}${what}.`;
    if (this.#problems.length < MAX_PROBLEMS) {
      this.#problems.push(line.replace(/[\u0000-\u001f]/g, ' '));
    }
  }

  /** @throws SettingsFileError with every problem that was told */
  assertValid(): void {
    if (this.#problems.length > 0) throw new SettingsFileError(this.#problems);
  }

  /**
   * What the file has for each tenant, by tenant and name: `{schema, tenants: {<tenant>: {<name>: …}}}`.
   * @param kind what is kept in it, for messages: `channels`
   */
  async readTenants(
    schema: string,
    kind: string,
  ): Promise<readonly (readonly [tenant: string, at: string, named: [string, unknown][]])[]> {
    const root = await this.#readRoot(schema, kind);
    if (root === undefined) return [];
    if (root['schema'] !== schema) this.tell('schema', `is not ${schema}: write that`);
    this.refuseOthers(root, ['schema', 'tenants'], '');
    return this.membersOf(root['tenants'], 'tenants').map(([tenant, named]) => {
      const at = `tenants.${tenant}`;
      if (!isName(tenant)) this.tell(at, 'is no name of a tenant: write a-z, 0-9 and -');
      return [tenant, at, this.membersOf(named, at)] as const;
    });
  }

  /** Members of an object; none, and a problem, where it is none. */
  membersOf(value: unknown, at: string): [string, unknown][] {
    if (isMembers(value)) return Object.entries(value);
    this.tell(at, 'is no object');
    return [];
  }

  refuseOthers(value: Members, known: readonly string[], at: string): void {
    for (const name of Object.keys(value)) {
      if (!known.includes(name)) {
        this.tell(at, `has ${name.slice(0, 60)}; it may have ${known.join(', ')}`);
      }
    }
  }

  /** The name of a secret; undefined where there is none, or a wrong one. */
  readSecretName(value: unknown, at: string): string | undefined {
    if (value === undefined) return undefined;
    if (typeof value === 'string' && SECRET_NAME.test(value)) return value;
    this.tell(at, 'is no name of a secret: write up to 128 letters, digits, ., _ and -');
    return undefined;
  }

  /** A URL of HTTP, or `{secret: name}`. */
  readUrl(value: unknown, at: string): TextOrSecret | undefined {
    if (typeof value === 'string' && hasFormat('url', value) && URL.canParse(value)) return value;
    if (isMembers(value) && Object.keys(value).join() === 'secret') {
      const secret = this.readSecretName(value['secret'], `${at}.secret`);
      return secret === undefined ? undefined : { secret };
    }
    // Without the value: whoever forgot `secret` wrote a secret here.
    this.tell(at, 'is neither a URL (http or https, without user and password) nor {secret: name}');
    return undefined;
  }

  async #readRoot(schema: string, kind: string): Promise<Members | undefined> {
    let text: string;
    try {
      const { size } = await stat(this.#path);
      if (size > MAX_FILE_BYTES) {
        this.tell('', `is over ${MAX_FILE_BYTES} bytes: keep only ${kind} in it`);
        return undefined;
      }
      text = await readFile(this.#path, 'utf8');
    } catch (error) {
      this.tell('', `cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
      return undefined;
    }
    const document = parseDocument(text, { version: '1.2', uniqueKeys: true, strict: true });
    for (const error of document.errors) {
      this.tell('', `is no YAML: ${error.message.split('\n')[0]}`);
    }
    if (document.errors.length > 0) return undefined;
    try {
      const value: unknown = document.toJS({ maxAliasCount: 0 });
      if (isMembers(value)) return value;
      this.tell('', `holds no object: begin with schema: ${schema}`);
    } catch {
      this.tell('', 'has aliases (*): write out what they stand for');
    }
    return undefined;
  }
}

/** True for an object that is no list. */
export function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
