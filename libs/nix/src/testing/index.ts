export * from './nix-bench.ts';
