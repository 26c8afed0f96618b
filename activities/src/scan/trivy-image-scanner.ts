import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FAILURES } from '@sluice/temporal-contract';
import { activityFailure, errorCodeOf, errorMessageOf } from '../failures.ts';
import type { ImageScan, ImageScanner, ScannableImage } from './image-scanner.ts';
import { type ProgramResult, runProgram } from './run-program.ts';
import { normaliseSbom } from './sbom-normal-form.ts';
import { readTrivyReport } from './trivy-report.ts';

/** Where trivy is and what it may take. */
export interface TrivySettings {
  /** Path of the binary, or a name that is looked up on PATH. */
  readonly program: string;
  /** Folder for trivy's own databases; created by trivy. */
  readonly cacheDir: string;
  /** Milliseconds for one image. */
  readonly timeoutMs: number;
}

const MAX_REPORT_BYTES = 64 * 1024 * 1024;
const MAX_STDOUT_BYTES = 1024 * 1024;

/**
 * Scans with a real trivy (0.59 or newer), offline: secrets, misconfigurations, licences and the package
 * list. Nothing is downloaded; the cache of layers is in memory, so that scans may run beside each other.
 */
export class TrivyImageScanner implements ImageScanner {
  readonly #settings: TrivySettings;
  #version: string | undefined;

  constructor(settings: TrivySettings) {
    this.#settings = settings;
  }

  async scan(image: ScannableImage, cancellation: AbortSignal): Promise<ImageScan> {
    const until = Date.now() + Math.min(this.#settings.timeoutMs, image.timeoutMs ?? Infinity);
    const version = await this.#readVersion(image.scratch, cancellation);
    const reportFile = join(image.scratch, 'report.json');
    const sbomFile = join(image.scratch, 'sbom.json');
    const seconds = Math.max(1, Math.ceil((until - Date.now()) / 1000));
    await this.#run(image, until, cancellation, [
      'image',
      '--input',
      image.layout,
      '--scanners',
      'secret,misconfig,license',
      '--image-config-scanners',
      'secret',
      '--format',
      'json',
      '--list-all-pkgs',
      '--skip-db-update',
      '--skip-java-db-update',
      '--skip-check-update',
      '--offline-scan',
      '--cache-backend',
      'memory',
      '--cache-dir',
      this.#settings.cacheDir,
      '--no-progress',
      '--timeout',
      `${seconds}s`,
      '--output',
      reportFile,
    ]);
    const text = await readBounded(reportFile);
    const reading = this.#read(image, () => readTrivyReport(text, image.component));
    await this.#run(image, until, cancellation, [
      'convert',
      '--format',
      'cyclonedx',
      '--output',
      sbomFile,
      reportFile,
    ]);
    const sbomText = await readBounded(sbomFile);
    const sbom = this.#read(image, () =>
      normaliseSbom(JSON.parse(sbomText), {
        component: image.component,
        imageDigest: image.digest,
        createdAt: image.createdAt,
      }),
    );
    return { scanner: { name: 'trivy', version }, ...reading, sbom };
  }

  #read<T>(image: ScannableImage, read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw activityFailure(
        FAILURES.scannerFailed,
        `trivy's output about component ${image.component} (${image.digest}) cannot be read: ` +
          `${errorMessageOf(error)} Check that ${this.#settings.program} is trivy 0.59 or newer.`,
        error,
      );
    }
  }

  async #readVersion(cwd: string, cancellation: AbortSignal): Promise<string> {
    if (this.#version !== undefined) return this.#version;
    const { status, stdout, stderrTail } = await this.#start(
      cwd,
      ['--version'],
      Math.min(15_000, this.#settings.timeoutMs),
      cancellation,
    );
    const version = /^Version: (\S{1,40})/m.exec(stdout)?.[1];
    if (status !== 0 || version === undefined) {
      throw activityFailure(
        FAILURES.scannerFailed,
        `${this.#settings.program} --version did not name a version of trivy (status ${status}): ` +
          `${lastLines(stdout + stderrTail)} Set SLUICE_TRIVY to a trivy 0.59 or newer.`,
      );
    }
    this.#version = version;
    return version;
  }

  async #run(
    image: ScannableImage,
    until: number,
    cancellation: AbortSignal,
    args: readonly string[],
  ): Promise<void> {
    const { status, stderrTail } = await this.#start(
      image.scratch,
      args,
      Math.max(1, until - Date.now()),
      cancellation,
    );
    if (status === 0) return;
    throw activityFailure(
      FAILURES.scannerFailed,
      `trivy ${args[0]} ended with status ${status} on component ${image.component} ` +
        `(${image.digest}): ${lastLines(stderrTail)}`,
    );
  }

  async #start(
    cwd: string,
    args: readonly string[],
    timeoutMs: number,
    cancellation: AbortSignal,
  ): Promise<ProgramResult> {
    try {
      return await runProgram({
        file: this.#settings.program,
        args,
        cwd,
        env: { PATH: process.env['PATH'] ?? '', HOME: cwd, TMPDIR: cwd },
        timeoutMs,
        maxOutputBytes: MAX_STDOUT_BYTES,
        cancellation,
      });
    } catch (error) {
      throw this.#translate(error);
    }
  }

  #translate(error: unknown): unknown {
    switch (errorCodeOf(error)) {
      case 'program-missing':
        return activityFailure(
          FAILURES.scannerUnavailable,
          `The scanner can't be started: ${errorMessageOf(error)} Install trivy 0.59 or newer on ` +
            'the worker, or set SLUICE_TRIVY to its path, then promote again.',
          error,
        );
      case 'program-timeout':
      case 'program-output-too-large':
        return activityFailure(
          FAILURES.scannerFailed,
          `The scan did not come to an end: ${errorMessageOf(error)} Look at the scanner by hand.`,
          error,
        );
      default:
        return error;
    }
  }
}

async function readBounded(file: string): Promise<string> {
  const size = await stat(file).then(
    (found) => found.size,
    () => undefined,
  );
  if (size === undefined) {
    throw activityFailure(FAILURES.scannerFailed, 'trivy ended well but wrote no report.');
  }
  if (size > MAX_REPORT_BYTES) {
    throw activityFailure(
      FAILURES.scannerFailed,
      `trivy's report has ${size} bytes; at most ${MAX_REPORT_BYTES} are read.`,
    );
  }
  return readFile(file, 'utf8');
}

function lastLines(text: string): string {
  return text
    .replace(/\u001b\[[0-9;]*m/g, '')
    .trim()
    .split('\n')
    .slice(-3)
    .join(' | ')
    .slice(-600)
    .replace(/\p{Surrogate}/gu, '\uFFFD');
}
