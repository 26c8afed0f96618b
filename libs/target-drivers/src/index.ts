export * from './driver-error.ts';
export * from './durable-file.ts';
export * from './health-probe.ts';
export {
  createLinuxHostDriver,
  DEFAULT_KEEP_RELEASES,
  type DriverPoint,
  type LinuxHostOptions,
} from './linux-host-driver.ts';
export { findProcess, isRunning, type ProcessEntry } from './proc-table.ts';
export type { DriverLog } from './service-supervisor.ts';
export * from './target-driver.ts';
export { STICKER_FILE, type VersionSticker } from './version-sticker.ts';
