import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { COURSE_SCHEMA, type JsonValue } from '@sluice/domain';
import type { EvidenceStore } from '@sluice/evidence-store';
import { createLogger } from '@sluice/observability';
import type { PromotionRecord } from '@sluice/persistence';
import type { FrozenRules } from '@sluice/temporal-contract';
import type { ActivityScope } from '../../activity-scope.ts';
import { createMemoryOutput } from '../../log/memory-output.ts';
import { createMemorySecrets } from '../../secrets/memory-secrets.ts';
import type { StepOutcome, StepRun } from '../../step/step-type.ts';
import { createFakeScope } from '../../testing/fake-scope.ts';
import { createScriptStep, type ScriptParts } from '../script.step.ts';
import type { ScriptSandbox } from '../script-sandbox.ts';

/** What a run on a stage may say. */
export interface StageRun {
  readonly inputs?: Readonly<Record<string, unknown>>;
  readonly member?: JsonValue;
  readonly scope?: Partial<ActivityScope>;
  /** Of the step, and of its compensation. Seconds. */
  readonly timeoutSeconds?: number;
  readonly idempotencyKey?: string;
  readonly purpose?: 'run' | 'compensate';
  /** Awaited right before the script runs. */
  readonly beginEffect?: () => Promise<void>;
}

/** How a run on a stage went. */
export interface StagedOutcome extends StepOutcome {
  readonly log: string;
  /** The machine's ids of its processes that were seen while it ran. */
  readonly seen: readonly number[];
  /** Processes in its process namespace when it had ended, whatever they made of their environment. */
  readonly left: readonly number[];
}

/** Runs `script@1` for specs. */
export interface ScriptStage {
  run(source: string, options?: StageRun): Promise<StagedOutcome>;
}

/** A stage on a sandbox. */
export function createScriptStage(parts: {
  readonly sandbox?: ScriptSandbox;
  readonly evidence: EvidenceStore;
  readonly secrets?: Readonly<Record<string, string>>;
  /** Digests that the tenant has. */
  readonly owned?: ReadonlySet<string>;
}): ScriptStage {
  const step = createScriptStep({
    evidence: parts.evidence,
    ownsEvidence: async (_tenantId, digest) => parts.owned?.has(digest) === true,
    secrets: createMemorySecrets(parts.secrets ?? {}),
    ...(parts.sandbox === undefined ? {} : { sandbox: parts.sandbox }),
  } satisfies ScriptParts);
  return {
    run: async (source, options = {}) => {
      const output = createMemoryOutput();
      const idempotencyKey = options.idempotencyKey ?? `dev/1/migrate/${randomUUID()}`;
      const run = { ...composeRun(source, options), output, idempotencyKey };
      const seen = new Map<number, string>();
      const watching = new AbortController();
      const watched = watch(idempotencyKey, seen, watching.signal);
      const work = options.purpose === 'compensate' ? step.compensate : step.run;
      try {
        const outcome = await (work ?? step.run).call(step, run);
        return {
          ...outcome,
          log: output.text,
          seen: [...seen.keys()],
          left: listIn(new Set(seen.values())),
        };
      } finally {
        watching.abort();
        await watched;
      }
    },
  };
}

function composeRun(
  source: string,
  { inputs, member, scope, timeoutSeconds = 60, beginEffect }: StageRun,
): Omit<StepRun, 'output' | 'idempotencyKey'> {
  const promotionId = 'dev/1';
  const pipeline = {
    schema: COURSE_SCHEMA,
    steps: [{ id: 'migrate', timeoutSeconds, compensationSeconds: timeoutSeconds }],
  };
  return {
    input: {
      type: 'script',
      version: 1,
      promotion: { tenantId: 'acme', promotionId },
      stepId: 'migrate',
      inputDigests: {},
      scheduledAt: '2026-11-21T10:00:00Z',
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    },
    promotion: {
      promotionId,
      environment: 'dev',
      releaseDigest: `sha256:${'1'.repeat(64)}`,
    } as PromotionRecord,
    rules: { pipeline } as unknown as FrozenRules,
    scope: createFakeScope(scope),
    log: createLogger({ service: 'test', level: 'silent' }),
    inputs: { source, ...inputs } as Readonly<Record<string, JsonValue>>,
    ...(member === undefined ? {} : { member }),
    ...(beginEffect === undefined ? {} : { beginEffect }),
  };
}

async function watch(key: string, seen: Map<number, string>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const pid of listProcesses(key)) {
      const namespace = findNamespace(pid);
      if (namespace !== undefined) seen.set(pid, namespace);
    }
    await delay(20);
  }
}

/** Processes of this machine in whose environment a script's idempotency key stands. */
export function listProcesses(idempotencyKey: string): number[] {
  const wanted = `SLUICE_IDEMPOTENCY_KEY=${idempotencyKey}\0`;
  return listAll().filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(wanted);
    } catch {
      return false;
    }
  });
}

/** The process namespaces of a running script, by which its processes are found whatever they make of their environment. */
export function listNamespaces(idempotencyKey: string): { readonly all: () => readonly number[] } {
  const found = listProcesses(idempotencyKey).map((pid) => findNamespace(pid) ?? '');
  const namespaces = new Set(found.filter((name) => name !== ''));
  return { all: () => listIn(namespaces) };
}

/** Processes in process namespaces, but those that have ended and are not reaped. */
function listIn(namespaces: ReadonlySet<string>): number[] {
  return listAll().filter((pid) => namespaces.has(findNamespace(pid) ?? ''));
}

function findNamespace(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    if (stat.slice(stat.lastIndexOf(')')).startsWith(') Z')) return undefined;
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined;
  }
}

function listAll(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}
