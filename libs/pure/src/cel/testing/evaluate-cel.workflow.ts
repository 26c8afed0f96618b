import { compileCel } from '../compile.ts';
import { type CelResult, evaluateCel } from '../evaluate.ts';

/** The least workflow that uses CEL: for the spec that bundles it. */
export async function evaluateExpression(
  source: string,
  values: Readonly<Record<string, unknown>>,
): Promise<CelResult> {
  const compiled = compileCel(source, { variables: Object.keys(values) });
  return compiled.ok ? evaluateCel(compiled, values) : compiled;
}
