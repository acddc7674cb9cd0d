/** Notebook 08: a photo four times as large, by bicubic interpolation, SRResNet and SRGAN. */

import { button, choice, frame, make, pixels, readImage, row, slider, statusLine, tensorOf } from "./parts.js";
import { modelFile, models, network } from "./runtime.js";

const SCALE = 4, TILE = 48, MOST = 160, PHOTO = 224, EXAMPLE = 96;

/** Keys' cubic convolution kernel with a = -0.75, as PyTorch has it. @param {number} t */
function cubic(t) {
    const a = -0.75, x = Math.abs(t);
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/**
 * Bicubic interpolation to four times the sides, as `torch.nn.functional.interpolate`.
 *
 * @param {Float32Array} image (3, height, width)
 * @param {number} width
 * @param {number} height
 */
export function bicubic(image, width, height) {
    const along = (/** @type {Float32Array} */ from, rows, n, step, stride, outStep, outStride, to) => {
        for (let r = 0; r < rows; r++) {
            for (let i = 0; i < SCALE * n; i++) {
                const at = (i + 0.5) / SCALE - 0.5, first = Math.floor(at) - 1;
                let sum = 0;
                for (let k = 0; k < 4; k++) {
                    const place = Math.min(n - 1, Math.max(0, first + k));
                    sum += cubic(at - first - k) * from[r * stride + place * step];
                }
                to[r * outStride + i * outStep] = sum;
            }
        }
    };
    const W = SCALE * width, H = SCALE * height, wide = new Float32Array(3 * height * W);
    along(image, 3 * height, width, 1, width, 1, W, wide);
    const out = new Float32Array(3 * H * W);
    for (let c = 0; c < 3; c++) { // columns of each channel
        const from = wide.subarray(c * height * W, (c + 1) * height * W);
        along(from, W, height, W, 1, W, 1, out.subarray(c * H * W, (c + 1) * H * W));
    }
    return out;
}

/**
 * Enlarge an image tile by tile, each with a margin, as `srgan_photos.tiled`.
 *
 * @param {(inputs: any) => Promise<{data: Float32Array}>} G
 * @param {ImageData} image
 * @param {number} margin
 * @param {CanvasRenderingContext2D} context Where the tiles are drawn.
 * @param {(share: number) => void} progress
 * @param {() => boolean} wanted Whether to go on.
 */
async function enlarge(G, image, margin, context, progress, wanted) {
    const { width, height } = image;
    const source = make("canvas");
    source.width = width;
    source.height = height;
    const reader = source.getContext("2d", { willReadFrequently: true });
    reader.putImageData(image, 0, 0);
    const tiles = Math.ceil(width / TILE) * Math.ceil(height / TILE);
    let done = 0;
    for (let top = 0; top < height; top += TILE) {
        for (let left = 0; left < width; left += TILE) {
            if (!wanted()) return;
            const x = Math.max(0, left - margin), y = Math.max(0, top - margin);
            const w = Math.min(width, left + TILE + margin) - x;
            const h = Math.min(height, top + TILE + margin) - y;
            const part = tensorOf(reader.getImageData(x, y, w, h));
            const { data } = await G({ x: [part, [1, 3, h, w]] });
            const inner = [left - x, top - y, Math.min(TILE, width - left), Math.min(TILE, height - top)];
            const [dx, dy, dw, dh] = inner.map((value) => SCALE * value);
            context.putImageData(pixels(data, 3, SCALE * h, SCALE * w),
                SCALE * x, SCALE * y, dx, dy, dw, dh);
            progress(++done / tiles);
            await new Promise((resolve) => setTimeout(resolve)); // the page stays usable
        }
    }
}

const METHODS = { bicubic: "bicubic interpolation", srresnet: "SRResNet", srgan: "SRGAN" };

/** @typedef {keyof typeof METHODS} Method */

/** @param {HTMLElement} element */
export async function mount(element) {
    const nets = { srresnet: await network("srresnet"), srgan: await network("srgan") };
    const { srgan: { reach } } = await models();
    const { line, say } = statusLine();
    const options = /** @type {[string, string][]} */ (Object.entries(METHODS));
    const left = choice("Left", options), right = choice("Right", options);
    right.select.value = "srgan";
    const divider = slider("Divider", "", "0", "1", (/** @type {number} */ t) => `${Math.round(100 * t)} %`);
    divider.set(0.5);
    const file = make("input", { type: "file", accept: "image/*" });
    const example = button("Back to the cat");
    const canvas = make("canvas", { role: "img", class: "demo-photo demo-drag" });
    /** @type {Record<Method, HTMLCanvasElement>} */
    const layers = { bicubic: make("canvas"), srresnet: make("canvas"), srgan: make("canvas") };
    let run = 0;

    const show = () => {
        const context = canvas.getContext("2d"), at = Math.round(canvas.width * Number(divider.input.value));
        const [a, b] = [left, right].map(({ select }) => /** @type {Method} */ (select.value));
        context.clearRect(0, 0, canvas.width, canvas.height);
        context.drawImage(layers[b], 0, 0);
        if (at > 0) context.drawImage(layers[a], 0, 0, at, canvas.height, 0, 0, at, canvas.height);
        context.fillStyle = "#fff";
        context.fillRect(at - 1, 0, 2, canvas.height);
        canvas.setAttribute("aria-label", `Left of the divider ${METHODS[a]}, right of it ${METHODS[b]}`);
    };
    const start = async (/** @type {ImageData} */ image) => {
        const mine = ++run;
        const W = SCALE * image.width, H = SCALE * image.height;
        for (const layer of [canvas, ...Object.values(layers)]) { layer.width = W; layer.height = H; }
        const base = bicubic(tensorOf(image), image.width, image.height);
        for (const layer of Object.values(layers)) {
            layer.getContext("2d").putImageData(pixels(base, 3, H, W), 0, 0);
        }
        show();
        for (const name of /** @type {const} */ (["srgan", "srresnet"])) {
            const context = /** @type {CanvasRenderingContext2D} */ (layers[name].getContext("2d"));
            await enlarge(nets[name], image, reach, context, (share) => {
                say(`${METHODS[name]}: ${Math.round(100 * share)} %.`);
                show();
            }, () => run === mine);
        }
        if (run === mine) say(`${image.width} x ${image.height} pixels became ${W} x ${H}.`);
    };
    const cat = async () => start(await readImage(modelFile("adversarial_photos.webp"), () => [0, 0, PHOTO, PHOTO], EXAMPLE));
    const open = async (/** @type {Blob | undefined} */ blob) => {
        if (!blob) return;
        try {
            await start(await readImage(blob, undefined, MOST));
        } catch {
            say("This file is not an image that the browser can read. Try a JPEG or PNG file.");
        }
    };
    file.addEventListener("change", () => open(file.files[0]));
    example.addEventListener("click", () => { file.value = ""; cat(); });
    for (const { select } of [left, right]) select.addEventListener("change", show);
    divider.input.addEventListener("input", show);
    canvas.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
        if (event.pointerType === "mouse" && event.buttons === 0) return;
        const box = canvas.getBoundingClientRect();
        divider.set(Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)));
        show();
    });
    canvas.addEventListener("dragover", (/** @type {DragEvent} */ event) => event.preventDefault());
    canvas.addEventListener("drop", (/** @type {DragEvent} */ event) => {
        event.preventDefault();
        open(event.dataTransfer?.files[0]);
    });
    const help = make("p", { class: "latent-help" },
        `A photo of yours is reduced to ${MOST} pixels at most, then enlarged four times. It never leaves ` +
        "this browser. Drop it on the image, or choose a file; drag across the image to move the divider.");
    const upload = make("label", { class: "demo-choice" }, make("span", {}, "A photo of yours"), file);
    element.append(frame([canvas, line], [row(left.label, right.label), divider.label, upload, row(example), help]));
    cat();
    await new Promise((resolve) => setTimeout(resolve, 50));
}
