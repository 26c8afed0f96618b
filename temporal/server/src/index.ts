export type { ApplySettingsOptions, ApplySettingsResult } from './apply-server-settings.ts';
export { applyServerSettings } from './apply-server-settings.ts';
export type { DevServer, DevServerOptions } from './dev-server.ts';
export { startDevServer } from './dev-server.ts';
export { findFreePort } from './free-port.ts';
export { endProcessGroup, isAlive } from './process-group.ts';
export type { TemporalServerErrorCode } from './server-error.ts';
export { TemporalServerError } from './server-error.ts';
export type { SearchAttributeType, ServerSettings } from './server-settings.ts';
export { loadServerSettings } from './server-settings.ts';
export type { ServerVersion } from './server-version.ts';
export {
  assertFolderNotNewer,
  readServerVersion,
  rememberServerVersion,
} from './server-version.ts';
