import type { PipeTransform, Type } from '@nestjs/common';
import { plainToInstance } from 'class-transformer';
import { type ValidationError, validateSync } from 'class-validator';
import { invalidInput } from './refusal.ts';

/**
 * Validates an argument against the class that it is told explicitly: without decorator metadata a pipe
 * would see `Object` and check nothing. The first problem, in the class' field order, becomes the refusal.
 */
export class InputPipe<T extends object> implements PipeTransform<unknown, T> {
  readonly #type: Type<T>;

  constructor(type: Type<T>) {
    this.#type = type;
  }

  transform(value: unknown): T {
    // GraphQL's argument objects have no prototype; class-transformer asks for `constructor`.
    const input = plainToInstance(this.#type, structuredClone(value ?? {}));
    const problems = validateSync(input, {
      whitelist: true,
      forbidNonWhitelisted: true,
      forbidUnknownValues: true,
      stopAtFirstError: true,
    });
    const first = problems[0];
    if (first === undefined) return input;
    const { field, message } = describe(first);
    throw invalidInput(field, message);
  }
}

function describe(problem: ValidationError, prefix = ''): { field: string; message: string } {
  const separator = /^\d+$/.test(problem.property) ? `[${problem.property}]` : problem.property;
  const glue = prefix === '' || separator.startsWith('[') ? '' : '.';
  const field = `${prefix}${glue}${separator}`;
  const child = problem.children?.[0];
  if (child !== undefined) return describe(child, field);
  const message = Object.values(problem.constraints ?? {})[0] ?? 'is not valid';
  return { field, message: `${field}: ${message}` };
}
