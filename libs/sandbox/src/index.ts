export { parseOutputs } from './collect-outputs.ts';
export { isContainedPath } from './contained-file.ts';
export { LogMasker, maskSecrets } from './log-masker.ts';
export { probeSandbox } from './probe-sandbox.ts';
export { runSandboxed } from './run-sandboxed.ts';
export * from './sandbox-error.ts';
export type { SandboxHost, SandboxUser } from './sandbox-host.ts';
export type * from './sandbox-probe.ts';
export type * from './sandbox-run.ts';
