import { IsDnsLabel } from './validators.ts';

/** One thing by its name. */
export class NameArgs {
  @IsDnsLabel()
  readonly name!: string;
}
