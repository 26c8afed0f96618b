import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { MAX_PIPELINE_BYTES, type ParsedPipeline, parsePipeline } from '@sluice/pipeline';
import type { ValueReader } from './value-reader.ts';

/** Pipelines that one configuration names at most. */
const MAX_PIPELINES = 200;

/** A pipeline that a configuration names. */
export interface PipelineFile {
  /** `pipelines[0]`. */
  readonly path: string;
  /** As it stands in the configuration. */
  readonly file: string;
  readonly parsed: ParsedPipeline;
}

/** Reads the pipelines that a configuration names; what can't be read is noted and left out. */
export function readPipelines(
  reader: ValueReader,
  value: unknown,
  folder: string,
): readonly PipelineFile[] {
  const files = reader.list(value, 'pipelines', MAX_PIPELINES).map((entry, index) => {
    const path = `pipelines[${index}]`;
    const file = reader.text(entry, path, isPath, 'write the path of a pipeline');
    return { path, file };
  });
  reader.unique(
    files.map(({ file }) => file),
    (index) => `pipelines[${index}]`,
  );
  return files.flatMap(({ path, file }) => {
    if (file === '') return [];
    const bytes = readBounded(reader, path, resolve(folder, file));
    return bytes === undefined ? [] : [{ path, file, parsed: parsePipeline(bytes, { file }) }];
  });
}

function readBounded(reader: ValueReader, path: string, file: string): Uint8Array | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, 'r');
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new Error('it is no file');
    if (stats.size <= MAX_PIPELINE_BYTES) return readFileSync(descriptor);
    reader.refuse(path, `has ${stats.size} bytes`, `write at most ${MAX_PIPELINE_BYTES}`);
  } catch (error) {
    reader.refuse(path, `can't be read (${(error as Error).message})`, 'name a readable file');
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
  return undefined;
}

function isPath(text: string): boolean {
  return text.length > 0 && text.length <= 4096 && !text.includes('\0');
}
