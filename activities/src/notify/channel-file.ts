import { stat } from 'node:fs/promises';
import { dirname, isAbsolute } from 'node:path';
import { isName } from '@sluice/domain';
import { isMembers, SettingsFile } from '../settings-file/settings-file.ts';
import {
  createNotifyChannels,
  type NotifyChannel,
  type NotifyChannels,
} from './notify-channels.ts';

/** Says which form a file of channels has. */
export const CHANNELS_SCHEMA = 'sluice.notify-channels/v1';

/** Members that a channel of each kind may have beside `kind`. */
const MEMBERS: Readonly<Record<NotifyChannel['kind'], readonly string[]>> = {
  webhook: ['url', 'bearer', 'hmac'],
  slack: ['url'],
  file: ['path'],
};

/**
 * Reads the channels of a YAML or JSON file, strictly.
 * @throws SettingsFileError with every problem there is
 */
export async function readChannelFile(path: string): Promise<NotifyChannels> {
  const file = new SettingsFile(path);
  const tenants: Record<string, Record<string, NotifyChannel>> = {};
  for (const [tenant, at, channels] of await file.readTenants(CHANNELS_SCHEMA, 'channels')) {
    const read = new Map<string, NotifyChannel>();
    for (const [name, value] of channels) {
      const channel = readChannel(name, value, `${at}.${name}`, file);
      if (channel !== undefined) read.set(name, channel);
      if (channel?.kind === 'file') await assertFolder(channel.path, `${at}.${name}.path`, file);
    }
    tenants[tenant] = Object.fromEntries(read);
  }
  file.assertValid();
  return createNotifyChannels(tenants);
}

function readChannel(
  name: string,
  value: unknown,
  at: string,
  file: SettingsFile,
): NotifyChannel | undefined {
  if (!isName(name)) file.tell(at, 'is no name of a channel: write a-z, 0-9 and -, at most 63');
  if (!isMembers(value)) {
    file.tell(at, 'is no object: write {kind: slack, url: {secret: …}}');
    return undefined;
  }
  const kind = value['kind'];
  if (kind !== 'webhook' && kind !== 'slack' && kind !== 'file') {
    file.tell(`${at}.kind`, `is none of ${Object.keys(MEMBERS).join(', ')}`);
    return undefined;
  }
  file.refuseOthers(value, ['kind', ...MEMBERS[kind]], at);
  if (kind === 'file') {
    const path = value['path'];
    if (typeof path === 'string' && isAbsolute(path)) return { kind, path };
    file.tell(`${at}.path`, 'is no absolute path of a file');
    return undefined;
  }
  const url = file.readUrl(value['url'], `${at}.url`);
  if (url === undefined) return undefined;
  if (kind === 'slack') return { kind, url };
  const bearer = file.readSecretName(value['bearer'], `${at}.bearer`);
  const hmac = file.readSecretName(value['hmac'], `${at}.hmac`);
  return {
    kind,
    url,
    ...(bearer === undefined ? {} : { bearer }),
    ...(hmac === undefined ? {} : { hmac }),
  };
}

async function assertFolder(path: string, at: string, file: SettingsFile): Promise<void> {
  const folder = await stat(dirname(path)).catch(() => undefined);
  if (folder?.isDirectory() !== true) file.tell(at, `lies in no folder: make ${dirname(path)}`);
}
