/** A value that lies in the evidence store as its canonical JSON, for it is too large for a row. */
export interface ValueReference {
  readonly digest: string;
  /** Of its canonical JSON. */
  readonly bytes: number;
}

/** Values that are kept so, by name. */
export type ValueReferences = Readonly<Record<string, ValueReference>>;
