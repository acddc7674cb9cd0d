/** Elements and pictures that several demos use. */

import { button, make, paint, pixels, randomNumbers, slider } from "./latent.js";
import { normal } from "./mlp.js";

export { button, make, paint, pixels, randomNumbers, slider };

/** @typedef {import("./runtime.js").Output} Output */

/**
 * A list to choose from, with a label.
 *
 * @param {string} name
 * @param {[value: string, text: string][]} options
 */
export function choice(name, options) {
    const select = make("select", {}, ...options.map(([value, text]) => make("option", { value }, text)));
    return { select, label: make("label", { class: "demo-choice" }, make("span", {}, name), select) };
}

/**
 * A box to tick, with a label.
 *
 * @param {string} name
 * @param {boolean} checked
 */
export function tick(name, checked) {
    const input = make("input", { type: "checkbox" });
    input.checked = checked;
    return { input, label: make("label", { class: "demo-tick" }, input, name) };
}

/** A row of elements. @param {...Node} nodes */
export function row(...nodes) {
    return make("div", { class: "latent-row" }, ...nodes);
}

/** A group of elements with a name. @param {string} name @param {...Node} nodes */
export function group(name, ...nodes) {
    return make("fieldset", {}, make("legend", {}, name), ...nodes);
}

/** A line that screen readers announce when it changes. */
export function statusLine() {
    const line = make("p", { role: "status", "aria-live": "polite", class: "latent-status" });
    return { line, say: (/** @type {string} */ text) => { line.textContent = text; } };
}

/**
 * The layout of a demo: a view, and its controls next to it.
 *
 * @param {Node[]} view
 * @param {Node[]} controls
 */
export function frame(view, controls) {
    return make("div", { class: "latent" },
        make("div", { class: "latent-view" }, ...view),
        make("div", { class: "latent-controls" }, ...controls));
}

/**
 * A canvas with an image's pixels, shown enlarged by CSS.
 *
 * @param {string} alt
 */
export function picture(alt) {
    const canvas = make("canvas", { role: "img", "aria-label": alt, class: "demo-picture" });
    return canvas;
}

/**
 * Draw images of a tensor (n, channels, h, w) in [-1, 1] in a grid on a canvas.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Output} images
 * @param {number} columns
 */
export function paintGrid(canvas, { data, dims: [n, channels, h, w] }, columns) {
    const rows = Math.ceil(n / columns), gap = 1;
    canvas.width = columns * (w + gap) - gap;
    canvas.height = rows * (h + gap) - gap;
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.clearRect(0, 0, canvas.width, canvas.height);
    for (let k = 0; k < n; k++) {
        const part = data.subarray(k * channels * h * w, (k + 1) * channels * h * w);
        const x = (k % columns) * (w + gap), y = Math.floor(k / columns) * (h + gap);
        context.putImageData(pixels(part, channels, h, w), x, y);
    }
}

/**
 * Pixels as an image (3, h, w) in [-1, 1].
 *
 * @param {ImageData} image
 */
export function tensorOf({ data, width, height }) {
    const plane = width * height, values = new Float32Array(3 * plane);
    for (let i = 0; i < plane; i++) {
        for (let c = 0; c < 3; c++) values[c * plane + i] = data[4 * i + c] / 127.5 - 1;
    }
    return values;
}

/**
 * The pixels of an image file, or of part of it.
 *
 * @param {string | Blob} source Address, or a file that the reader chose.
 * @param {(width: number, height: number) => [number, number, number, number]} [part] Left, top, width
 *     and height of the part.
 * @param {number} [most] The longer side is reduced to this.
 * @returns {Promise<ImageData>}
 */
export async function readImage(source, part, most = Infinity) {
    const blob = typeof source === "string" ? await (await fetch(source)).blob() : source;
    const bitmap = await createImageBitmap(blob);
    const [x, y, w, h] = part ? part(bitmap.width, bitmap.height) : [0, 0, bitmap.width, bitmap.height];
    const scale = Math.min(1, most / Math.max(w, h));
    const canvas = make("canvas");
    canvas.width = Math.max(1, Math.round(scale * w));
    canvas.height = Math.max(1, Math.round(scale * h));
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, x, y, w, h, 0, 0, canvas.width, canvas.height);
    return context.getImageData(0, 0, canvas.width, canvas.height);
}

/**
 * Normally distributed random numbers of a seed.
 *
 * @param {number} seed
 * @param {number} count
 */
export function noise(seed, count) {
    return Float32Array.from({ length: count }, normal(randomNumbers(seed)));
}

/**
 * A function that runs a task again for the latest call only, one run at a time.
 *
 * @param {() => Promise<void>} task
 */
export function latest(task) {
    let running = false, again = false;
    return async () => {
        if (running) { again = true; return; }
        running = true;
        do {
            again = false;
            await task();
        } while (again);
        running = false;
    };
}
