/**
 * A generator of images with its controls: a seed, sliders along directions of latent space, and an
 * interpolation between two seeds. The network runs in the browser, by ONNX Runtime Web.
 *
 * `mount` is the only thing that a page needs; it makes no request. Styles are in latent.css, under
 * the class "latent".
 */

/**
 * @typedef {object} Generator
 * @property {Uint8Array} onnx The network: input "z" (batch, noiseDim), output "images" (batch,
 *     channels, height, width) in [-1, 1], all float32; 1 or 3 channels.
 * @property {number} noiseDim Length of a latent vector.
 * @property {"normal" | "uniform" | "sphere"} noise Distribution of latent vectors: N(0, 1); uniform
 *     in [-1, 1]; uniform on the sphere of radius sqrt(noiseDim).
 * @property {number[][]} directions Orthogonal latent directions of length 1, one slider each.
 * @property {number[]} shares Share of the images' variance in each direction's principal component.
 */

/**
 * @typedef {typeof TEXTS} Texts
 */

/** What the component says. "#" is replaced by a number. */
export const TEXTS = {
    image: "Generated image, from seed #",
    seed: "Seed",
    sample: "New sample",
    save: "Save image",
    directions: "Directions",
    directionsHelp:
        "Each slider moves along a direction in latent space in which the images vary strongly. " +
        "Percent: share of the images' variance in its principal component.",
    direction: "Direction #",
    reset: "Reset sliders",
    interpolation: "Interpolation",
    second: "Second seed",
    mix: "Mix",
    walk: "Start walk",
    stop: "Stop walk",
    ready: "Ready. One image takes # ms on this device.",
    sampled: "Image of seed #.",
    walking: "Walking from seed to seed.",
    stopped: "Walk stopped at seed #.",
};

const LIMIT = 3; // of a slider, in standard deviations of a latent variable
const SEEDS = 1000000;
const LARGEST = 448; // CSS pixels of the enlarged image, at most
const HEIGHT_SHARE = 0.5; // of the window's height: the sliders must be seen with the image
const STEP_MS = 3000; // of a walk, from one seed to the next

/**
 * Show a generator and its controls in an element, whose content is replaced.
 *
 * @param {HTMLElement} element
 * @param {any} ort ONNX Runtime Web, configured: its module "onnxruntime-web/wasm".
 * @param {Generator} generator
 * @param {Partial<Texts>} [texts] Other words, for instance in another language.
 * @param {(images: {data: Float32Array, dims: readonly number[]}) => void} [drawn] Called with each
 *     image that is drawn.
 * @returns {Promise<void>} Resolves when the first image is drawn; rejects if the network can't run.
 */
export async function mount(element, ort, generator, texts = {}, drawn = () => {}) {
    const words = { ...TEXTS, ...texts };
    const options = { executionProviders: ["wasm"], logSeverityLevel: 3 };
    const session = await ort.InferenceSession.create(generator.onnx, options);
    const generate = async (/** @type {Float32Array} */ z) => {
        const input = new ort.Tensor("float32", z, [1, z.length]);
        return (await session.run({ z: input })).images;
    };
    const milliseconds = await measured(() => generate(latent(1, generator)));
    const parts = build(words, generator);
    element.replaceChildren(parts.root);
    connect(parts, generate, generator, words, drawn);
    await parts.draw();
    parts.say(words.ready, milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds));
    parts.root.dataset.milliseconds = milliseconds.toFixed(2);
}

/**
 * Median time of a few calls, after one that warms up.
 *
 * @param {() => Promise<unknown>} call
 */
async function measured(call) {
    await call();
    const times = [];
    for (let n = 0; n < 9; n++) {
        const begin = performance.now();
        await call();
        times.push(performance.now() - begin);
    }
    return times.sort((a, b) => a - b)[4];
}

// Latent vectors ----------------------------------------------------------------------------------

/**
 * The latent vector of a seed: always the same one.
 *
 * @param {number} seed
 * @param {Generator} generator
 * @returns {Float32Array}
 */
export function latent(seed, generator) {
    const uniform = randomNumbers(seed);
    const z = new Float32Array(generator.noiseDim);
    for (let i = 0; i < z.length; i++) {
        z[i] = generator.noise === "uniform"
            ? 2 * uniform() - 1
            : Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
    }
    return confined(z, generator);
}

/**
 * Uniform random numbers in [0, 1): the generator "mulberry32", by Tommy Ettinger (public domain).
 *
 * @param {number} seed
 */
export function randomNumbers(seed) {
    let state = seed >>> 0;
    return () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let t = Math.imul(state ^ (state >>> 15), state | 1);
        t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
}

/**
 * A vector moved to where the distribution has its vectors: the sphere, or the cube.
 *
 * @param {Float32Array} z
 * @param {Generator} generator
 */
function confined(z, generator) {
    if (generator.noise === "uniform") return z.map((value) => Math.max(-1, Math.min(1, value)));
    if (generator.noise === "normal") return z;
    const factor = Math.sqrt(z.length) / (length(z) || 1);
    return z.map((value) => value * factor);
}

/** @param {Float32Array} z */
function length(z) {
    return Math.sqrt(z.reduce((sum, value) => sum + value * value, 0));
}

/**
 * From a to b: on the arc between them, or on a straight line for uniform noise.
 *
 * @param {Float32Array} a
 * @param {Float32Array} b
 * @param {number} t 0 (a) to 1 (b).
 * @param {Generator} generator
 * @returns {Float32Array}
 */
export function between(a, b, t, generator) {
    const dot = a.reduce((sum, value, i) => sum + value * b[i], 0);
    const cos = dot / (length(a) * length(b) || 1);
    const angle = Math.acos(Math.max(-1, Math.min(1, cos)));
    const sin = Math.sin(angle);
    const straight = generator.noise === "uniform" || sin < 1e-4;
    const u = straight ? 1 - t : Math.sin((1 - t) * angle) / sin;
    const v = straight ? t : Math.sin(t * angle) / sin;
    return a.map((value, i) => u * value + v * b[i]);
}

/**
 * A vector moved along the directions.
 *
 * @param {Float32Array} z
 * @param {number[]} amounts One per direction, in standard deviations of a latent variable.
 * @param {Generator} generator
 * @returns {Float32Array}
 */
export function moved(z, amounts, generator) {
    if (amounts.every((amount) => amount === 0)) return z;
    const deviation = generator.noise === "uniform" ? 1 / Math.sqrt(3) : 1;
    const result = Float32Array.from(z);
    amounts.forEach((amount, k) => {
        generator.directions[k].forEach((u, i) => { result[i] += amount * deviation * u; });
    });
    return confined(result, generator);
}

// The elements of the page ------------------------------------------------------------------------

/**
 * @param {string} tag
 * @param {Record<string, string>} attributes
 * @param {(Node | string)[]} children
 * @returns {any}
 */
export function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
}

/** A slider in a label, with its value shown. */
export function slider(name, hint, min, max, show) {
    const input = make("input", { type: "range", min, max, step: "0.01", value: "0" });
    const output = make("output");
    const note = hint ? [make("span", { class: "latent-hint" }, hint)] : [];
    const title = make("span", { class: "latent-name" }, name, ...note);
    const update = () => {
        output.textContent = show(Number(input.value));
        input.setAttribute("aria-valuetext", output.textContent);
    };
    const set = (value) => { input.value = String(value); update(); };
    input.addEventListener("input", update);
    update();
    // the input stands before the output: a label belongs to the first of them
    return { input, set, label: make("label", { class: "latent-slider" }, title, input, output) };
}

function seedField(name, value) {
    const range = { min: "0", max: String(SEEDS - 1), step: "1" };
    const input = make("input", { type: "number", inputmode: "numeric", value, ...range });
    return { input, label: make("label", { class: "latent-seed" }, make("span", {}, name), input) };
}

export function button(text, kind = "") {
    return make("button", { type: "button", class: kind }, text);
}

/**
 * All elements of the component.
 *
 * @param {Texts} words
 * @param {Generator} generator
 */
function build(words, generator) {
    const canvas = make("canvas", { role: "img" });
    const status = make("p", { role: "status", "aria-live": "polite", class: "latent-status" });
    const seed = seedField(words.seed, "1");
    const second = seedField(words.second, "2");
    const buttons = {
        sample: button(words.sample, "latent-primary"),
        save: button(words.save),
        reset: button(words.reset),
        walk: button(words.walk),
    };
    const signed = (value) => (value > 0 ? "+" : value < 0 ? "\u2212" : "") + Math.abs(value).toFixed(2);
    const directions = generator.directions.map((_, k) => slider(
        words.direction.replace("#", String(k + 1)),
        `${Math.round(100 * generator.shares[k])} %`, `${-LIMIT}`, `${LIMIT}`, signed,
    ));
    const mix = slider(words.mix, "", "0", "1", (value) => `${Math.round(100 * value)} %`);
    const row = (...nodes) => make("div", { class: "latent-row" }, ...nodes);
    const group = (name, ...nodes) => make("fieldset", {}, make("legend", {}, name), ...nodes);
    const help = make("p", { class: "latent-help" }, words.directionsHelp);
    const sliders = directions.map((direction) => direction.label);
    const all = make("div", { class: "latent-sliders" }, ...sliders);
    const groups = [
        ...(sliders.length ? [group(words.directions, help, all, buttons.reset)] : []),
        group(words.interpolation, row(second.label, buttons.walk), mix.label),
    ];
    const root = make("div", { class: "latent" },
        make("div", { class: "latent-view" }, canvas, status),
        make("div", { class: "latent-controls" },
            row(seed.label, buttons.sample, buttons.save), ...groups));
    const say = (text, number) => { status.textContent = text.replace("#", String(number)); };
    return { root, canvas, say, seed, second, buttons, directions, mix, draw: async () => {} };
}

/**
 * Make the elements work.
 *
 * @param {ReturnType<typeof build>} parts
 * @param {(z: Float32Array) => Promise<any>} generate
 * @param {Generator} generator
 * @param {Texts} words
 * @param {(images: any) => void} drawn
 */
function connect(parts, generate, generator, words, drawn) {
    const { canvas, seed, second, buttons, directions, mix, say } = parts;
    const number = (field) => Math.abs(Math.trunc(Number(field.input.value))) % SEEDS || 0;
    const random = () => Math.floor(Math.random() * SEEDS);

    const vector = () => {
        const a = latent(number(seed), generator), b = latent(number(second), generator);
        const z = between(a, b, Number(mix.input.value), generator);
        return moved(z, directions.map((d) => Number(d.input.value)), generator);
    };
    let running = false, again = false;
    parts.draw = async () => {
        if (running) { again = true; return; } // the latest position is drawn when this one is done
        running = true;
        do {
            again = false;
            const images = await generate(vector());
            paint(canvas, images);
            drawn(images);
            canvas.setAttribute("aria-label", words.image.replace("#", String(number(seed))));
        } while (again);
        running = false;
    };
    const draw = () => parts.draw();

    const walk = walker(parts, number, random, draw, words);
    const untouched = () => { for (const d of [...directions, mix]) d.set(0); };
    buttons.sample.addEventListener("click", () => {
        walk.stop();
        seed.input.value = String(random());
        untouched();
        say(words.sampled, number(seed));
        draw();
    });
    buttons.reset.addEventListener("click", () => {
        for (const d of directions) d.set(0);
        draw();
    });
    buttons.save.addEventListener("click", () => save(canvas, `seed-${number(seed)}.png`));
    for (const field of [seed, second]) {
        field.input.addEventListener("change", () => {
            field.input.value = String(number(field));
            walk.stop();
            say(words.sampled, number(field));
            draw();
        });
    }
    mix.input.addEventListener("input", walk.stop);
    for (const { input } of [...directions, mix]) input.addEventListener("input", draw);
    new ResizeObserver(() => fit(canvas)).observe(canvas.parentElement);
}

/** The walk: moves the slider of the interpolation to the second seed, then on to a new one. */
function walker(parts, number, random, draw, words) {
    const { seed, second, mix, buttons, say } = parts;
    let current = 0, count = 0, last = 0; // the walk that goes on, 0 for none; walks so far
    const step = async (/** @type {number} */ mine, /** @type {number} */ now) => {
        if (current !== mine) return;
        const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
        const share = (now - last) / STEP_MS;
        if (!calm || share >= 1) { // calm: no motion, the next image every few seconds
            last = now;
            const t = Number(mix.input.value) + Math.min(share, 1);
            if (t >= 1) {
                seed.input.value = String(number(second));
                second.input.value = String(random());
            }
            mix.set(t >= 1 ? 0 : t);
            await draw();
        }
        requestAnimationFrame((then) => step(mine, then));
    };
    const stop = () => {
        if (!current) return;
        current = 0;
        buttons.walk.textContent = words.walk;
        say(words.stopped, number(seed));
    };
    buttons.walk.addEventListener("click", () => {
        if (current) return stop();
        current = ++count;
        last = performance.now();
        buttons.walk.textContent = words.stop;
        say(words.walking, "");
        step(current, last);
    });
    return { stop };
}

// Pixels ------------------------------------------------------------------------------------------

/**
 * Draw the first image of a tensor (1, channels, height, width) in [-1, 1] on a canvas of its size.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {{data: Float32Array, dims: readonly number[]}} images
 */
export function paint(canvas, { data, dims: [, channels, height, width] }) {
    if (canvas.width !== width || canvas.height !== height) {
        canvas.width = width;
        canvas.height = height;
        fit(canvas);
    }
    canvas.getContext("2d").putImageData(pixels(data, channels, height, width), 0, 0);
}

/**
 * One image (channels, height, width) in [-1, 1] as pixels; 1 or 3 channels.
 *
 * @param {Float32Array} values
 * @param {number} channels
 * @param {number} height
 * @param {number} width
 */
export function pixels(values, channels, height, width) {
    const image = new ImageData(width, height), plane = width * height;
    for (let i = 0; i < plane; i++) {
        for (let c = 0; c < 3; c++) { // Uint8ClampedArray rounds and clips
            image.data[4 * i + c] = 127.5 * (values[(channels === 3 ? c : 0) * plane + i] + 1);
        }
        image.data[4 * i + 3] = 255;
    }
    return image;
}

/** Enlarge a canvas by a whole factor, so that every pixel is a square of the same size. */
export function fit(canvas) {
    const room = Math.min(canvas.parentElement.clientWidth, HEIGHT_SHARE * innerHeight, LARGEST);
    const factor = Math.max(1, Math.floor(room / canvas.width));
    canvas.style.width = `${Math.min(factor * canvas.width, room)}px`;
}

/** Offer the image as a PNG file, enlarged to about 512 pixels. */
function save(canvas, name) {
    const factor = Math.max(1, Math.round(512 / canvas.width));
    const large = make("canvas");
    large.width = factor * canvas.width;
    large.height = factor * canvas.height;
    const context = large.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(canvas, 0, 0, large.width, large.height);
    make("a", { href: large.toDataURL("image/png"), download: name }).click();
}
