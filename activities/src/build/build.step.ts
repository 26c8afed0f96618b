import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Component, JsonValue } from '@sluice/domain';
import type { EvidenceStore } from '@sluice/evidence-store';
import {
  type BuildOutput,
  type BuildResult,
  build,
  CLOSURE_MEDIA_TYPE,
  composeNixComponent,
  createStoreKeeper,
  DEFAULT_CLOSURE_LIMITS,
  describeLimits,
  exportClosure,
  isNixError,
  NIX_COMPONENT_MEDIA_TYPE,
  type Nix,
  NixError,
  type NixSource,
} from '@sluice/nix';
import { FAILURES } from '@sluice/temporal-contract';
import { type ActivityScope, withHeartbeats } from '../activity-scope.ts';
import type { ActivityDependencies } from '../dependencies.ts';
import { putDocument, recordBlobs, type StoredBlob } from '../evidence/stored-document.ts';
import { activityFailure } from '../failures.ts';
import {
  failedResult,
  type StepOutcome,
  type StepRun,
  type StepType,
  succeededResult,
} from '../step/step-type.ts';
import { createBuildLog } from './build-log.ts';

/** Nix ends its own processes before the engine gives the attempt up. Milliseconds. */
const END_RESERVE_MS = 5000;

/** Where nothing ends the attempt. Milliseconds. */
const DEFAULT_BUILD_MS = 3_600_000;

/** Least time that a build gets. Milliseconds. */
const MIN_BUILD_MS = 1000;

const NO_NIX =
  'This worker has no Nix, so nothing was built: install Nix 2.8 or newer (Debian: apt-get install nix-bin) where a ' +
  'worker serves the queue "build", then promote again.';

/** Of Nix itself: what is to be built has no part in them. */
const TROUBLE: ReadonlySet<string> = new Set(['nix-missing', 'nix-failed', 'nix-limits-missing']);

/** A machine that is looked at for longer is taken as it was. Milliseconds. */
const LONGEST_LOOK_MS = 120_000;

type BuildParts = Pick<ActivityDependencies, 'evidence' | 'nix' | 'nixTrouble'>;

/** As the type's schema has checked them. */
type BuildInputs = {
  readonly component: string;
  readonly version: string;
  readonly attribute?: string;
} & ({ readonly flake: string } | { readonly expression: string });

/**
 * `build@1`: evaluates and builds with Nix, puts the closure into the evidence store as one archive, and gives the result as a component
 * (docs/adr/0025-a-pipeline-makes-its-release.md). What is in the store already is not built again, so an attempt after a crash goes on
 * where the last one was. Cancelled, it leaves no process behind. Where this worker has lost what it began with, another one is to build.
 */
export function createBuildStep(parts: BuildParts): StepType {
  return {
    type: 'build',
    version: 1,
    run: (run) =>
      withHeartbeats(run.scope, `build ${run.input.stepId}`, () => buildComponent(parts, run)),
  };
}

async function buildComponent(
  { evidence, nix, nixTrouble }: BuildParts,
  run: StepRun,
): Promise<StepOutcome> {
  if (nix === undefined) return { result: failedResult('nix-unavailable', NO_NIX) };
  run.output.write(`${describeBounds(nix)}\n`);
  // Promotions of two tenants can have the same name.
  const key = `${run.input.promotion.tenantId}/${run.idempotencyKey}`;
  try {
    return await createStoreKeeper(nix).use(
      key,
      async ({ root, exported }) => {
        const output = await buildOutput(nix, run, root);
        const outcome = await keepOutput(nix, evidence, output, run);
        await exported(output.storePath);
        return outcome;
      },
      run.scope.cancellation,
    );
  } catch (error) {
    if (!isNixError(error) || error.code === 'nix-cancelled') throw error;
    run.scope.cancellation.throwIfAborted();
    if (TROUBLE.has(error.code)) await assertStillThere(nixTrouble, run, error);
    return { result: explain(error) };
  }
}

/** @throws an `Unavailable` failure, which another attempt mends, where this machine has lost what builds need */
async function assertStillThere(
  look: BuildParts['nixTrouble'],
  { scope }: StepRun,
  { message }: NixError,
): Promise<void> {
  const over = new AbortController();
  const signal = AbortSignal.any([scope.cancellation, over.signal]);
  const missing = await Promise.race([
    look?.(),
    sleep<undefined>(LONGEST_LOOK_MS, undefined, { signal }),
  ]).finally(() => over.abort());
  if (missing === undefined) return;
  throw activityFailure(
    FAILURES.unavailable,
    `Nothing was built: this worker has lost what it began with. It is tried again until the step's deadline, by any worker that serves the queue "build". ${missing} (${message})`,
  );
}

/** Which limits hold, for the step's log. */
function describeBounds({ limits }: Nix): string {
  return limits === undefined
    ? "limits: none but those of the worker's own, for nothing here keeps a build's"
    : `limits: ${describeLimits(limits)}`;
}

/** @throws NixError */
async function buildOutput(nix: Nix, run: StepRun, root: string): Promise<BuildOutput> {
  const { scope, output, log } = run;
  const inputs = run.inputs as unknown as BuildInputs;
  const lines = createBuildLog(output);
  const result = await build(nix, sourceOf(inputs), {
    onLog: lines.take,
    heartbeat: (progress) => scope.heartbeat({ stage: 'build', ...progress }),
    signal: scope.cancellation,
    limits: { timeoutMs: timeOf(scope) },
    root,
  }).finally(() => lines.end());
  const built = chooseOutput(result);
  log.info({ storePath: built.storePath, narHash: built.narHash, ...result.progress }, 'built');
  output.write(`built ${built.storePath} (${built.narHash}, ${built.narSize} bytes)\n`);
  return built;
}

function sourceOf(inputs: BuildInputs): NixSource {
  const attribute = inputs.attribute === undefined ? {} : { attribute: inputs.attribute };
  return 'flake' in inputs
    ? { flake: inputs.flake, ...attribute }
    : { expression: inputs.expression, ...attribute };
}

/** What is left of the attempt, less what it takes to end. */
function timeOf({ attemptDeadline }: ActivityScope): number {
  if (attemptDeadline === undefined) return DEFAULT_BUILD_MS;
  return Math.max(MIN_BUILD_MS, attemptDeadline - Date.now() - END_RESERVE_MS);
}

/** The output `out`; of a derivation with one output that one. */
function chooseOutput({ outputs, evaluation }: BuildResult): BuildOutput {
  const [first, ...others] = outputs;
  const wanted = evaluation?.outputs['out'];
  const found = outputs.find(({ storePath }) => storePath === wanted);
  if (found !== undefined) return found;
  if (first !== undefined && others.length === 0) return first;
  throw new NixError(
    'build-evaluation-failed',
    `What was built has ${outputs.length} outputs and none of them is "out": build a derivation with an output of that name.`,
  );
}

async function keepOutput(
  nix: Nix,
  evidence: EvidenceStore,
  output: BuildOutput,
  run: StepRun,
): Promise<StepOutcome> {
  const { component: name, version } = run.inputs as unknown as BuildInputs;
  const closure = await keepClosure(nix, evidence, output.storePath, run.scope.cancellation);
  run.output.write(`kept its closure ${closure.digest} (${closure.size} bytes)\n`);
  const document = composeNixComponent(output, closure);
  const blob = await putDocument(evidence, document, NIX_COMPONENT_MEDIA_TYPE);
  const component: Component = { name, kind: 'nix', digest: blob.digest, version };
  const { storePath, narHash, narSize } = output;
  const values: Readonly<Record<string, JsonValue>> = {
    storePath,
    narHash,
    narSize,
    closure: closure.digest,
    component: { ...component },
  };
  return {
    result: succeededResult({ narHash, closure: closure.digest }, values),
    record: (tx) => recordBlobs(tx, [closure, blob]),
  };
}

/** Streams the archive from the store of Nix into the evidence store; neither it nor a part of it is held in memory. */
async function keepClosure(
  nix: Nix,
  evidence: EvidenceStore,
  storePath: string,
  signal: AbortSignal,
): Promise<StoredBlob> {
  const between = new PassThrough();
  const [exported, stored] = await Promise.allSettled([
    exportClosure(nix, [storePath], between, { signal }),
    evidence.put(between, { maxBytes: DEFAULT_CLOSURE_LIMITS.maxBytes, signal }),
  ]);
  signal.throwIfAborted();
  // The one that failed first ended the other; what Nix says is the cause, unless it only lost its reader.
  if (exported.status === 'rejected' && isNixError(exported.reason)) throw exported.reason;
  if (stored.status === 'rejected') throw stored.reason;
  if (exported.status === 'rejected') throw exported.reason;
  const { digest, size } = stored.value;
  return { digest, size, mediaType: CLOSURE_MEDIA_TYPE };
}

function explain({ code, message, detail }: NixError) {
  if (code === 'nix-missing') return failedResult('nix-unavailable', `${NO_NIX} (${message})`);
  const last = detail.lastLines?.slice(-5) ?? [];
  const more = last.length === 0 ? '' : ` Its last lines: ${last.join(' | ')}`;
  return failedResult(code, `${message}${more}`.slice(0, 2000));
}
