export { CodecError, type CodecErrorCode } from './codec-error.ts';
export {
  addCodecKeys,
  type CodecKey,
  type CodecKeys,
  loadCodecKeys,
  parseCodecKeys,
} from './codec-keys.ts';
export { createDataConverter } from './data-converter.ts';
export {
  isArchiveFile,
  openHistory,
  readHistoryHead,
  sealHistory,
} from './history/archive-file.ts';
export { mayLookIntoTexts } from './history/condition-texts.ts';
export { decodePayloads } from './history/decode-payloads.ts';
export { fetchHistory } from './history/fetch-history.ts';
export { HistoryFileError, type HistoryFileErrorCode } from './history/history-file-error.ts';
export { historyFileName } from './history/history-file-name.ts';
export {
  buildIdsOf,
  findHead,
  type HeadOfOptions,
  type HistoryFileHead,
  headOf,
  rfc3339,
  type SealedHead,
} from './history/history-head.ts';
export {
  decodeHistory,
  encodeHistory,
  type History,
  type HistoryEvent,
  MAX_HISTORY_BYTES,
} from './history/history-message.ts';
export { listRuns, type WorkflowRun } from './history/list-runs.ts';
export {
  type PreviewOptions,
  previewReset,
  type ResetAnswer,
  type ResetEffect,
  type ResetPreview,
  type ResettableHistory,
} from './history/preview-reset.ts';
export {
  MAX_HISTORY_FILE_BYTES,
  type ReadHistory,
  readHistoryFile,
} from './history/read-history-file.ts';
export {
  type RedactedHistory,
  redactedHistoryText,
  redactHistory,
} from './history/redact-history.ts';
export { CODEC_ENCODING, createPayloadCodec } from './payload-codec.ts';
export { createTemporalClient, type TemporalClientOptions } from './temporal-client.ts';
export { type SpanSink, traceWorker } from './worker-tracing.ts';
export { versionWorker, type WorkerVersion } from './worker-version.ts';
export { WORKFLOW_INTERCEPTORS } from './workflow-interceptors-path.ts';
