import type { BuildProgress, NixLogEntry, OnNixLog } from '@sluice/nix';
import type { StepOutput } from '../step/step-type.ts';

/** Nix' messages above this level are for who works on Nix. */
const MAX_LEVEL = 3;

/** Takes what Nix says while it builds. */
export interface BuildLog {
  readonly take: OnNixLog;
  /** Writes how far it came. */
  end(): void;
}

/** What Nix says, as lines of a step's own log: `hello> …` for a builder's lines. */
export function createBuildLog(output: StepOutput): BuildLog {
  let progress: BuildProgress | undefined;
  return {
    take: (entry) => {
      if (entry.kind === 'progress') {
        progress = entry;
        return;
      }
      const line = lineOf(entry);
      if (line !== undefined) output.write(`${line}\n`);
    },
    end: () => {
      if (progress === undefined) return;
      const { built, total, failed } = progress;
      output.write(`${built} of ${total} derivations built, ${failed} failed\n`);
    },
  };
}

function lineOf(entry: Exclude<NixLogEntry, { kind: 'progress' }>): string | undefined {
  switch (entry.kind) {
    case 'log':
      return `${nameOf(entry.derivation)}> ${entry.text}`;
    case 'building':
      return `building ${entry.derivation}`;
    case 'message':
      return entry.level > MAX_LEVEL ? undefined : entry.text;
    default:
      return entry.text;
  }
}

/** `hello` of `/nix/store/<hash>-hello.drv`. */
function nameOf(derivation: string | null): string {
  const base = derivation?.slice(derivation.lastIndexOf('/') + 1) ?? 'build';
  return base.replace(/^[0-9a-z]{32}-/, '').replace(/\.drv$/, '');
}
