export * from './agent-client.ts';
export * from './agent-request.ts';
export * from './command.ts';
export * from './content-digest.ts';
export * from './http-signature.ts';
export * from './messages.ts';
export * from './protocol-error.ts';
export { parseSignatureInput, type SignatureInput } from './signature-input.ts';
