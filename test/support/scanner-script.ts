import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * What the scanner does with an image: `real` hands over to the real trivy; `hold` waits until it is told otherwise,
 * then hands over; `clean` finds nothing without looking; `hang` never ends and leaves a child; `deaf` does
 * so and ignores SIGTERM; `rubbish` writes what is no report; `broken` ends with status 1.
 */
export type ScannerMode = 'real' | 'hold' | 'clean' | 'hang' | 'deaf' | 'rubbish' | 'broken';

/** A slow, wilful stand-in before the real trivy: a shell script that a test tells what to do, image by image. */
export interface ScannerScript {
  /** What the worker is given as its scanner. */
  readonly path: string;
  /** For all images that have no mode of their own. */
  setMode(mode: ScannerMode): Promise<void>;
  /** For one image, `sha256:…`. */
  setModeOf(image: string, mode: ScannerMode): Promise<void>;
  /** Process ids of every script run that held or hung, and of its children. */
  listPids(): Promise<readonly number[]>;
  /** Takes the program away, as if it were not installed. */
  uninstall(): Promise<void>;
  install(): Promise<void>;
}

const CLEAN_REPORT = JSON.stringify({
  SchemaVersion: 2,
  CreatedAt: '2026-01-01T00:00:00Z',
  ArtifactName: 'image',
  ArtifactType: 'container_image',
  Metadata: {},
  Results: [],
});

/** Writes the script into a folder of its own. */
export async function createScannerScript(
  folder: string,
  trivy: string,
  mode: ScannerMode = 'real',
): Promise<ScannerScript> {
  const modes = join(folder, 'modes');
  const pids = join(folder, 'pids');
  const path = join(folder, 'slow-fake-trivy');
  await mkdir(modes, { recursive: true });
  await writeFile(pids, '');
  const setMode = (name: string, value: ScannerMode): Promise<void> =>
    writeFile(join(modes, name), value);
  const install = (): Promise<void> =>
    writeFile(path, scriptText(modes, pids, trivy), { mode: 0o755 });
  await setMode('default', mode);
  await install();
  return {
    path,
    setMode: (value) => setMode('default', value),
    setModeOf: (image, value) => setMode(image.replace('sha256:', ''), value),
    listPids: async () =>
      (await readFile(pids, 'utf8'))
        .split('\n')
        .filter((line) => line !== '')
        .map(Number),
    uninstall: () => rm(path),
    install,
  };
}

function scriptText(modes: string, pids: string, trivy: string): string {
  return `#!/bin/sh
[ "$1" = image ] || exec '${trivy}' "$@"
before=; input=; output=
for word in "$@"; do
  case "$before" in --input) input=$word ;; --output) output=$word ;; esac
  before=$word
done
image=$(sed -n 's/.*"digest":"sha256:\\([0-9a-f]*\\)".*/\\1/p' "$input/index.json")
mode() { cat '${modes}'/"$image" 2>/dev/null || cat '${modes}/default'; }
case "$(mode)" in
  hold) echo $$ >> '${pids}'; while [ "$(mode)" = hold ]; do sleep 0.1; done ;;
  hang) echo $$ >> '${pids}'; sleep 3600 & echo $! >> '${pids}'; wait ;;
  deaf) trap '' TERM; echo $$ >> '${pids}'; while :; do sleep 1; done ;;
  rubbish) echo 'this is no report' > "$output"; exit 0 ;;
  broken) echo 'FATAL the scanner is broken' >&2; exit 1 ;;
  clean) printf '%s' '${CLEAN_REPORT}' > "$output"; exit 0 ;;
esac
exec '${trivy}' "$@"
`;
}
