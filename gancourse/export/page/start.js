/**
 * Start of the page: unpack what is stored in it, and mount the generator. `mount` comes from
 * latent.js, which stands above this in the same script; `globalThis.ort` from the script before.
 */

/** The bytes of an element that holds base64 of a gzip file. */
async function unpacked(id) {
    const text = document.getElementById(id).textContent.trim();
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function start() {
    const missing = ["WebAssembly", "DecompressionStream"].filter((name) => !(name in globalThis));
    if (missing.length) throw new Error(`it has no ${missing.join(" and no ")}`);
    const ort = globalThis.ort;
    ort.env.logLevel = "error";
    ort.env.wasm.numThreads = 1; // several need headers that a page opened from a file can't have
    ort.env.wasm.wasmBinary = (await unpacked("runtime")).buffer;
    const facts = JSON.parse(document.getElementById("facts").textContent);
    await mount(document.getElementById("generator"), ort, { ...facts, onnx: await unpacked("network") });
}

start().catch((error) => {
    const note = document.getElementById("note");
    note.textContent =
        `This browser can't run the generator (${error.message || error}). The image below shows ` +
        "samples that were generated before. A current Chrome, Edge, Firefox or Safari can run it.";
    note.className = "latent-status latent-error";
});
