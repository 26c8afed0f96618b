import type { JsonValue, ValueSchema } from '@sluice/domain';

/** Inputs of `script@1`, found and checked by its manifest. */
export interface ScriptInputs {
  readonly interpreter?: readonly string[];
  readonly source?: string;
  readonly file?: string;
  readonly arguments?: readonly string[];
  readonly files?: Readonly<Record<string, string>>;
  readonly input?: JsonValue;
  readonly environment?: Readonly<Record<string, string>>;
  readonly secrets?: Readonly<Record<string, string>>;
  readonly network?: 'none' | 'all';
  readonly limits?: ScriptLimits;
  readonly outputs?: Readonly<Record<string, ValueSchema>>;
  readonly artifacts?: Readonly<Record<string, string>>;
  readonly undo?: { readonly source?: string; readonly arguments?: readonly string[] };
}

/** What a script may use; defaults are in the manifest's words. */
export interface ScriptLimits {
  readonly cpus?: number;
  readonly memoryMiB?: number;
  readonly diskMiB?: number;
  readonly processes?: number;
  readonly seconds?: number;
  readonly logBytes?: number;
}

/** What the manifest has let through is of this form. */
export function scriptInputsOf(inputs: Readonly<Record<string, JsonValue>>): ScriptInputs {
  return inputs as unknown as ScriptInputs;
}

/**
 * The inputs of what undoes a step: its own, with the source and arguments of `undo`. It gives no outputs and keeps no artifacts.
 * @returns undefined where there is nothing that undoes it
 */
export function undoInputsOf(inputs: ScriptInputs): ScriptInputs | undefined {
  const { undo, source, file, outputs: _outputs, artifacts: _artifacts, ...rest } = inputs;
  if (undo === undefined) return undefined;
  const own = source === undefined ? { ...(file === undefined ? {} : { file }) } : { source };
  return {
    ...rest,
    ...(undo.source === undefined ? own : { source: undo.source }),
    ...(undo.arguments === undefined ? {} : { arguments: undo.arguments }),
  };
}
