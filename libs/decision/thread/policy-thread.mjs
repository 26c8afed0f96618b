/**
 * One thread of the decision engine's pool: loads a compiled policy, then answers one evaluation at a time.
 * Plain JavaScript outside `src`, because a thread is started by path, from sources and from the build alike.
 *
 * In: `{ id, input }`, the input as JSON text. Out: `{ ready: true }`, then `{ id, result }` or `{ id, error }`.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { loadPolicy } from '@open-policy-agent/opa-wasm';

/** Pages of 64 KiB: a policy may use at most 256 MiB. */
const memory = { initial: 5, maximum: 4096 };

const refuse = (name) => () => {
  throw new Error(`builtin ${name} is not allowed`);
};

/** The SDK answers these itself; a decision may depend on its input only. */
const impure = Object.fromEntries(
  ['http.send', 'opa.runtime', 'rand.intn', 'time.now_ns', 'uuid.rfc4122'].map((name) => [
    name,
    refuse(name),
  ]),
);

const policy = await loadPolicy(workerData.wasm, memory, impure);
const entrypoint = workerData.entrypoint;
if (!(entrypoint in policy.entrypoints)) {
  throw new Error(`the compiled policy has no entrypoint ${entrypoint}`);
}
policy.setData({});

parentPort.on('message', ({ id, input }) => {
  try {
    const text = new TextEncoder().encode(input);
    const bytes = text.buffer.slice(text.byteOffset, text.byteOffset + text.byteLength);
    parentPort.postMessage({ id, result: policy.evaluate(bytes, entrypoint) });
  } catch (error) {
    parentPort.postMessage({ id, error: String(error?.message ?? error) });
  }
});
parentPort.postMessage({ ready: true });
