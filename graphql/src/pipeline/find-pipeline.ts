import {
  findPipeline,
  findPipelineVersion,
  type PipelineRecord,
  type Tx,
} from '@sluice/persistence';

/** A version of a pipeline; its newest where none is named. */
export async function findPipelineByRef(
  tx: Tx,
  name: string,
  version: number | null | undefined,
): Promise<PipelineRecord | undefined> {
  return version == null ? findPipeline(tx, name) : findPipelineVersion(tx, name, version);
}

/** A version of a pipeline that is known to be there. */
export async function getPipelineVersion(
  tx: Tx,
  name: string,
  version: number,
): Promise<PipelineRecord> {
  const record = await findPipelineVersion(tx, name, version);
  if (record !== undefined) return record;
  throw new Error(`Pipeline ${name}@${version} was stored, and is not there.`);
}

/** The parts of `<name>@<version>`, or of a name alone. */
export function readPipelineRef(text: string): {
  readonly name: string;
  readonly version: number | null;
} {
  const [name = '', version] = text.split('@');
  return { name, version: version === undefined ? null : Number(version) };
}
