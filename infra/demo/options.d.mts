export declare const DEMO_USAGE: string;

export declare function readDemoArguments(args: readonly string[]): {
  readonly canary: boolean;
  readonly once: boolean;
  readonly json: boolean;
  readonly reset: boolean;
  readonly help: boolean;
  readonly data?: string;
};
