/** Codes of gRPC. */
const GRPC_CODES = {
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  UNAVAILABLE: 14,
} as const;

/** Deeper than any error of the engine's client. */
const MAX_DEPTH = 10;

/** True for an error with this name, or of a class with this name. */
export function isNamed(error: unknown, name: string): boolean {
  const { name: own, constructor } = (error ?? {}) as Partial<Error>;
  return own === name || constructor?.name === name;
}

/** True when the error or one of its causes carries one of these codes. */
export function hasGrpcCode(error: unknown, codes: readonly (keyof typeof GRPC_CODES)[]): boolean {
  const numbers: readonly number[] = codes.map((code) => GRPC_CODES[code]);
  return chainOf(error).some(({ code }) => typeof code === 'number' && numbers.includes(code));
}

/** The failure that a workflow gave as its reason. */
export function rootFailure(error: unknown): {
  readonly type: string | undefined;
  readonly message: string;
} {
  const [first, ...causes] = chainOf(error);
  const failure = causes.find(({ type }) => typeof type === 'string') ?? causes[0] ?? first;
  const { type, message } = failure ?? {};
  return { type: typeof type === 'string' ? type : undefined, message: String(message ?? error) };
}

interface Link {
  readonly code?: unknown;
  readonly type?: unknown;
  readonly message?: unknown;
  readonly cause?: unknown;
}

function chainOf(error: unknown): readonly Link[] {
  const chain: Link[] = [];
  let link = error as Link | null | undefined;
  while (typeof link === 'object' && link !== null && chain.length < MAX_DEPTH) {
    chain.push(link);
    link = link.cause as Link | null | undefined;
  }
  return chain;
}
