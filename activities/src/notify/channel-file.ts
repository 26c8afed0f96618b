import { readFile, stat } from 'node:fs/promises';
import { dirname, isAbsolute } from 'node:path';
import { hasFormat, isName } from '@sluice/domain';
import { parseDocument } from 'yaml';
import type { TextOrSecret } from '../http/http-inputs.ts';
import {
  createNotifyChannels,
  type NotifyChannel,
  type NotifyChannels,
} from './notify-channels.ts';

/** Says which form a file of channels has. */
export const CHANNELS_SCHEMA = 'sluice.notify-channels/v1';

const MAX_FILE_BYTES = 1024 * 1024;
const MAX_PROBLEMS = 50;
const SECRET_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/** Members that a channel of each kind may have beside `kind`. */
const MEMBERS: Readonly<Record<NotifyChannel['kind'], readonly string[]>> = {
  webhook: ['url', 'bearer', 'hmac'],
  slack: ['url'],
  file: ['path'],
};

/** What is wrong with a file of channels: one line per problem, as wrong settings are told. */
export class ChannelFileError extends Error {
  readonly code = 'settings-invalid';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ChannelFileError';
    this.problems = problems;
  }
}

/**
 * Reads the channels of a YAML or JSON file, strictly.
 * @throws ChannelFileError with every problem there is
 */
export async function readChannelFile(path: string): Promise<NotifyChannels> {
  const problems: string[] = [];
  const tell = (at: string, what: string): void => {
    const line = `${path}: ${at === '' ? '' : `${at} `}${what}.`;
    if (problems.length < MAX_PROBLEMS) problems.push(line.replace(/[\u0000-\u001f]/g, ' '));
  };
  const root = await readRoot(path, tell);
  const tenants: Record<string, Record<string, NotifyChannel>> = {};
  if (root !== undefined) {
    if (root['schema'] !== CHANNELS_SCHEMA) tell('schema', `is not ${CHANNELS_SCHEMA}: write that`);
    refuseOthers(root, ['schema', 'tenants'], '', tell);
    for (const [tenant, channels] of membersOf(root['tenants'], 'tenants', tell)) {
      const at = `tenants.${tenant}`;
      if (!isName(tenant)) tell(at, 'is no name of a tenant: write a-z, 0-9 and -');
      const read = new Map<string, NotifyChannel>();
      for (const [name, value] of membersOf(channels, at, tell)) {
        const channel = readChannel(name, value, `${at}.${name}`, tell);
        if (channel !== undefined) read.set(name, channel);
        if (channel?.kind === 'file') await assertFolder(channel.path, `${at}.${name}.path`, tell);
      }
      tenants[tenant] = Object.fromEntries(read);
    }
  }
  if (problems.length > 0) throw new ChannelFileError(problems);
  return createNotifyChannels(tenants);
}

type Tell = (at: string, what: string) => void;
type Members = Readonly<Record<string, unknown>>;

async function readRoot(path: string, tell: Tell): Promise<Members | undefined> {
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) {
      tell('', `is over ${MAX_FILE_BYTES} bytes: keep only channels in it`);
      return undefined;
    }
    text = await readFile(path, 'utf8');
  } catch (error) {
    tell('', `cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
    return undefined;
  }
  const document = parseDocument(text, { version: '1.2', uniqueKeys: true, strict: true });
  for (const error of document.errors) tell('', `is no YAML: ${error.message.split('\n')[0]}`);
  if (document.errors.length > 0) return undefined;
  try {
    const value: unknown = document.toJS({ maxAliasCount: 0 });
    if (isMembers(value)) return value;
    tell('', `holds no object: begin with schema: ${CHANNELS_SCHEMA}`);
  } catch {
    tell('', 'has aliases (*): write out what they stand for');
  }
  return undefined;
}

function readChannel(
  name: string,
  value: unknown,
  at: string,
  tell: Tell,
): NotifyChannel | undefined {
  if (!isName(name)) tell(at, 'is no name of a channel: write a-z, 0-9 and -, at most 63');
  if (!isMembers(value)) {
    tell(at, 'is no object: write {kind: slack, url: {secret: …}}');
    return undefined;
  }
  const kind = value['kind'];
  if (kind !== 'webhook' && kind !== 'slack' && kind !== 'file') {
    tell(`${at}.kind`, `is none of ${Object.keys(MEMBERS).join(', ')}`);
    return undefined;
  }
  refuseOthers(value, ['kind', ...MEMBERS[kind]], at, tell);
  if (kind === 'file') {
    const path = value['path'];
    if (typeof path === 'string' && isAbsolute(path)) return { kind, path };
    tell(`${at}.path`, 'is no absolute path of a file');
    return undefined;
  }
  const url = readUrl(value['url'], `${at}.url`, tell);
  if (url === undefined) return undefined;
  if (kind === 'slack') return { kind, url };
  const bearer = readSecretName(value['bearer'], `${at}.bearer`, tell);
  const hmac = readSecretName(value['hmac'], `${at}.hmac`, tell);
  return {
    kind,
    url,
    ...(bearer === undefined ? {} : { bearer }),
    ...(hmac === undefined ? {} : { hmac }),
  };
}

function readUrl(value: unknown, at: string, tell: Tell): TextOrSecret | undefined {
  if (typeof value === 'string' && hasFormat('url', value) && URL.canParse(value)) return value;
  if (isMembers(value) && Object.keys(value).join() === 'secret') {
    const secret = readSecretName(value['secret'], `${at}.secret`, tell);
    return secret === undefined ? undefined : { secret };
  }
  // Without the value: whoever forgot `secret` wrote a secret here.
  tell(at, 'is neither a URL (http or https, without user and password) nor {secret: name}');
  return undefined;
}

function readSecretName(value: unknown, at: string, tell: Tell): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string' && SECRET_NAME.test(value)) return value;
  tell(at, 'is no name of a secret: write up to 128 letters, digits, ., _ and -');
  return undefined;
}

async function assertFolder(path: string, at: string, tell: Tell): Promise<void> {
  const folder = await stat(dirname(path)).catch(() => undefined);
  if (folder?.isDirectory() !== true) tell(at, `lies in no folder: make ${dirname(path)}`);
}

function membersOf(value: unknown, at: string, tell: Tell): [string, unknown][] {
  if (isMembers(value)) return Object.entries(value);
  tell(at, 'is no object');
  return [];
}

function refuseOthers(value: Members, known: readonly string[], at: string, tell: Tell): void {
  for (const name of Object.keys(value)) {
    if (!known.includes(name))
      tell(at, `has ${name.slice(0, 60)}; it may have ${known.join(', ')}`);
  }
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
