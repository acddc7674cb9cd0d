/** Networks in the browser: ONNX Runtime Web, loaded when the first one is asked for. */

const HERE = new URL("./", import.meta.url);

/** @typedef {{data: Float32Array, dims: readonly number[]}} Output */

/** @type {Promise<any> | undefined} */
let loading;

/** ONNX Runtime Web, configured. @returns {Promise<any>} */
export function runtime() {
    loading ??= (async () => {
        if (!("WebAssembly" in globalThis)) throw new Error("it has no WebAssembly");
        const ort = await import(new URL("runtime/ort.mjs", HERE).href);
        ort.env.logLevel = "error";
        ort.env.wasm.numThreads = 1; // several need headers that a plain file server does not send
        ort.env.wasm.wasmPaths = { wasm: new URL("runtime/ort.wasm", HERE).href };
        return ort;
    })();
    return loading;
}

/** The bytes of a file next to the demos. @param {string} path */
export async function bytes(path) {
    const answer = await fetch(new URL(path, HERE));
    if (!answer.ok) throw new Error(`${path} could not be loaded (${answer.status})`);
    return new Uint8Array(await answer.arrayBuffer());
}

/** @type {Promise<any> | undefined} */
let described;

/** What models.json says of the networks. @returns {Promise<Record<string, any>>} */
export function models() {
    described ??= fetch(new URL("models/models.json", HERE)).then((answer) => answer.json());
    return described;
}

/** Address of a file in models. @param {string} name */
export function modelFile(name) {
    return new URL(`models/${name}`, HERE).href;
}

/**
 * A network as a function: inputs by name, each with its shape.
 *
 * @param {string} name Of the file, without ".onnx".
 * @returns {Promise<(inputs: Record<string, [Float32Array, number[]]>) => Promise<Output>>}
 */
export async function network(name) {
    const ort = await runtime();
    const options = { executionProviders: ["wasm"], logSeverityLevel: 3 };
    const session = await ort.InferenceSession.create(await bytes(`models/${name}.onnx`), options);
    return async (inputs) => {
        /** @type {Record<string, any>} */
        const feeds = {};
        for (const [key, [data, shape]] of Object.entries(inputs)) {
            feeds[key] = new ort.Tensor("float32", data, shape);
        }
        return (await session.run(feeds)).output;
    };
}
