export { CodecError, type CodecErrorCode } from './codec-error.ts';
export {
  addCodecKeys,
  type CodecKey,
  type CodecKeys,
  loadCodecKeys,
  parseCodecKeys,
} from './codec-keys.ts';
export { createDataConverter } from './data-converter.ts';
export { CODEC_ENCODING, createPayloadCodec } from './payload-codec.ts';
export { createTemporalClient, type TemporalClientOptions } from './temporal-client.ts';
export { type SpanSink, traceWorker } from './worker-tracing.ts';
export { WORKFLOW_INTERCEPTORS } from './workflow-interceptors-path.ts';
