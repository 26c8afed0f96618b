import { fileURLToPath } from 'node:url';
import type { DataConverter } from '@temporalio/common';
import type { CodecKeys } from './codec-keys.ts';
import { createPayloadCodec } from './payload-codec.ts';

const FAILURE_CONVERTER = fileURLToPath(new URL('../failure-converter.cjs', import.meta.url));

/**
 * The data converter that every client, worker and replay of Sluice uses: nothing that a workflow is given, gives or fails
 * with stands in a history as plain text. A workflow bundle is built with the same failure converter
 * (`@sluice/workflows`, `failure-converter`).
 */
export function createDataConverter(codecKeys: CodecKeys): DataConverter {
  return {
    failureConverterPath: FAILURE_CONVERTER,
    payloadCodecs: [createPayloadCodec(codecKeys)],
  };
}
