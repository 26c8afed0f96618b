export * from './build.ts';
export * from './closure/closure-limits.ts';
export {
  CLOSURE_MEDIA_TYPE,
  type ClosureArchive,
  type ClosureSource,
  closureChunks,
  closureSize,
  writeClosure,
} from './closure/export-closure.ts';
export type { ClosureMember } from './closure/narinfo.ts';
export * from './closure/read-closure.ts';
export {
  exportClosure,
  importClosure,
  type StoreClosureOptions,
} from './closure/store-closure.ts';
export {
  removeTree,
  type UnpackedClosure,
  type UnpackOptions,
  unpackClosure,
} from './closure/unpack-closure.ts';
export * from './evaluate.ts';
export type { OnNixLog } from './log/nix-log.ts';
export type { BuildProgress, NixLogEntry } from './log/nix-log-entry.ts';
export { type NarSum, sumNar, sumPath } from './nar/nar-digest.ts';
export { DEFAULT_NAR_LIMITS, type NarLimits } from './nar/nar-limits.ts';
export * from './nar/read-nar.ts';
export * from './nar/restore-nar.ts';
export * from './nar/write-nar.ts';
export * from './nix.ts';
export * from './nix-component.ts';
export * from './nix-error.ts';
export * from './nix-hash.ts';
export type { NixSource } from './nix-source.ts';
export { listPathInfos, type PathInfo, type PathInfoOptions } from './path-info.ts';
export * from './probe-nix-sandbox.ts';
export {
  DEFAULT_NIX_SETTINGS,
  type NixSettings,
  type NixStore,
  storeDirOf,
  storeFolderOf,
} from './run/nix-environment.ts';
export { describeLimits, type NixLimitGroup, type NixLimits } from './run/nix-limits.ts';
export type { KeptBuilds } from './store/build-roots.ts';
export * from './store/store-keeper.ts';
export * from './store-path.ts';
