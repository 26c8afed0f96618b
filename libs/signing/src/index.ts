export {
  type AnalysisPredicate,
  findAnalysisProblem,
  isAnalysisDocument,
  readAnalysisPredicate,
} from './analysis-statement.ts';
export * from './approval-predicate.ts';
export * from './dsse.ts';
export * from './history-statement.ts';
export {
  createKeyFile,
  ensureKeyPair,
  generateKeyPair,
  type KeyPair,
  keyIdOf,
  loadKeyPair,
  parsePublicKey,
  readPrivateFile,
} from './key-pair.ts';
export * from './packet.ts';
export { MAX_PACKET_BYTES, type PacketProblem } from './read-packet.ts';
export * from './signer-client.ts';
export * from './signer-socket.ts';
export * from './signing-error.ts';
export * from './statement.ts';
export * from './strict-json.ts';
export * from './trust-root.ts';
export * from './verify-packet.ts';
