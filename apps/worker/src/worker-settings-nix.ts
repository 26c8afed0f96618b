import type { SettingsReader } from './settings.ts';
import { readNumber, readPath, readWhole, readWord } from './settings-forms.ts';

/** How this worker builds. */
export interface NixBuildSettings {
  /** Path of `nix`; null for the first on PATH. */
  readonly nix: string | null;
  /** Whether builds are kept from this machine. */
  readonly nixSandbox: 'on' | 'off';
  /** Folder of a Nix store of its own; null for the machine's. */
  readonly nixStore: string | null;
  /** Folder for what builds need besides the store; null for a temporary one. */
  readonly nixScratch: string | null;
  /** Memory of a build with all of its builders, which must be kept; null for a share of the machine's, where that can be kept. */
  readonly nixMemoryMiB: number | null;
  /** Processors of a build, likewise. */
  readonly nixCpus: number | null;
  /** Processes of a build at a time, likewise. */
  readonly nixProcesses: number | null;
  /** Builds whose closures stay in the store of its own, the newest ones. */
  readonly nixKeepBuilds: number;
  /** And at most so long. */
  readonly nixKeepDays: number;
  /** Hours between collections of what is not kept; 0 for none. */
  readonly nixCollectHours: number;
}

/** Reads the settings of builds; problems are told to the reader. */
export function readNixSettings(reader: SettingsReader): NixBuildSettings {
  return {
    nix: readPath(reader, 'SLUICE_NIX'),
    nixSandbox: readWord(reader, 'SLUICE_NIX_SANDBOX', ['on', 'off'] as const),
    nixStore: readPath(reader, 'SLUICE_NIX_STORE'),
    nixScratch: readPath(reader, 'SLUICE_NIX_SCRATCH'),
    nixMemoryMiB: readWhole(reader, 'SLUICE_NIX_MEMORY_MIB', 64, 16_777_216),
    nixCpus: readNumber(reader, 'SLUICE_NIX_CPUS', 0.1, 1024),
    nixProcesses: readWhole(reader, 'SLUICE_NIX_PROCESSES', 16, 1_000_000),
    nixKeepBuilds: reader.integer('SLUICE_NIX_KEEP_BUILDS', 20, 0, 10_000),
    nixKeepDays: reader.integer('SLUICE_NIX_KEEP_DAYS', 30, 0, 3650),
    nixCollectHours: reader.integer('SLUICE_NIX_COLLECT_HOURS', 24, 0, 8760),
  };
}
