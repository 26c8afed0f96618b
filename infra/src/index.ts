export type { LoadCount, LoadSample, LoadSpan } from './demo/load/load-record.ts';
export { LoadRecord } from './demo/load/load-record.ts';
export type { LoadOptions, SteadyLoad } from './demo/load/steady-load.ts';
export { startLoad } from './demo/load/steady-load.ts';
export { removeEmbeddedPostgres } from './embedded-postgres/data-location.ts';
export type { EmbeddedPostgresErrorCode } from './embedded-postgres/postgres-error.ts';
export { EmbeddedPostgresError } from './embedded-postgres/postgres-error.ts';
export type {
  EmbeddedPostgres,
  EmbeddedPostgresOptions,
} from './embedded-postgres/start-embedded-postgres.ts';
export { startEmbeddedPostgres } from './embedded-postgres/start-embedded-postgres.ts';
export type { ImageContent, PackedImage } from './samples/image-layout.ts';
export { writeImageLayout } from './samples/image-layout.ts';
export { packSamples, SAMPLE_VERSIONS } from './samples/pack-samples.ts';
export type { TarFile } from './samples/tar-archive.ts';
export { packTar } from './samples/tar-archive.ts';
export type {
  StackEnvironment,
  StackSource,
  StackTarget,
} from './stack/stack-configuration.ts';
export type { StackErrorCode } from './stack/stack-error.ts';
export { StackError } from './stack/stack-error.ts';
export type { StackLayout } from './stack/stack-layout.ts';
export type { StackPorts } from './stack/stack-ports.ts';
export type { StackRouter } from './stack/stack-routers.ts';
export type { StackPrincipal } from './stack/stack-secrets.ts';
export type { Stack, StackOptions } from './stack/stack-types.ts';
export { removeStackData, startStack } from './stack/start-stack.ts';
export type { GetToolOptions, Tool } from './tools/get-tool.ts';
export { findTool, getInstallLine, getTool } from './tools/get-tool.ts';
export type { ToolErrorCode } from './tools/tool-error.ts';
export { ToolError } from './tools/tool-error.ts';
export type { ToolRoom } from './tools/tool-room.ts';
export { getCacheFolder, getToolRoom } from './tools/tool-room.ts';
