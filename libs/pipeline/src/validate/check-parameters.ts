import { findSchemaFaults, findValueFaults } from '@sluice/domain';
import type { ValuePath } from '../parse/positioned-node.ts';
import { type Check, knownAre, write } from './check.ts';

/** Parameters: schemas that make no sense, defaults and values that don't fit, unknown ones, and those without any value. */
export function checkParameters(check: Check): void {
  const { variant, report, template } = check;
  const own = template.parameters ?? {};
  for (const [name, { schema, default: value }] of variant.parameters) {
    const root: ValuePath = Object.hasOwn(own, name) ? ['parameters', name] : ['extends'];
    const within = (...path: ValuePath): ValuePath =>
      root[0] === 'extends' ? root : [...root, ...path];
    const faults = findSchemaFaults(schema);
    for (const { segments, message, expected } of faults) {
      report.say({
        code: 'parameter-schema',
        path: within('schema', ...segments),
        message: `Parameter ${name}: ${message}`,
        suggestion: `It must be ${expected}.`,
      });
    }
    if (faults.length > 0) continue;
    if (value !== undefined) sayFaults(check, name, value, within('default'));
    const { environment } = variant;
    if (environment !== null && variant.environmentValues.has(name)) {
      const set = variant.environmentValues.get(name);
      sayFaults(check, name, set, valuePlace(check, environment, name));
    }
    if (check.parameters === null) continue;
    if (Object.hasOwn(check.parameters, name)) {
      sayFaults(check, name, check.parameters[name], root);
    } else if (value === undefined && !variant.environmentValues.has(name)) {
      report.say({
        code: 'parameter-missing',
        path: root,
        message: `Parameter ${name} has no default, and no value is given.`,
        suggestion: `Give ${name}, or a default.`,
      });
    }
  }
  checkNames(check);
}

function checkNames(check: Check): void {
  const { variant, report } = check;
  const { environment } = variant;
  const unknown = (name: string): boolean =>
    !variant.parameters.has(name) && !check.isLost(['parameters', name]);
  if (environment !== null) {
    for (const name of variant.environmentValues.keys()) {
      if (!unknown(name)) continue;
      report.say({
        code: 'parameter-unknown',
        path: valuePlace(check, environment, name),
        message: `The pipeline has no parameter ${name}.`,
        suggestion: parameterAdvice(check, name),
        where: 'key',
      });
    }
  }
  for (const name of Object.keys(check.parameters ?? {})) {
    if (!unknown(name)) continue;
    report.say({
      code: 'parameter-unknown',
      path: ['parameters'],
      message: `${name} is given, and the pipeline has no parameter of that name.`,
      suggestion: parameterAdvice(check, name),
    });
  }
}

function parameterAdvice({ report, variant }: Check, name: string): string {
  const best = report.nearest(name, variant.parameters.keys());
  return write(best) ?? knownAre(variant.parameters.keys(), 'Take it out.');
}

function valuePlace(check: Check, environment: string, name: string): ValuePath {
  const own = check.template.environments?.[environment]?.parameters ?? {};
  return Object.hasOwn(own, name) ? ['environments', environment, 'parameters', name] : ['extends'];
}

function sayFaults(check: Check, name: string, value: unknown, path: ValuePath): void {
  const schema = check.variant.parameters.get(name)?.schema;
  if (schema === undefined) return;
  for (const { segments, message, expected } of findValueFaults(schema, value)) {
    check.report.say({
      code: 'parameter-invalid',
      path: path.length > 2 ? [...path, ...segments] : path,
      message: `Parameter ${name}: ${message}`,
      suggestion: `It must be ${expected}.`,
    });
  }
}
