/**
 * Notebook 01: the fast gradient sign method on photos, with a slider for epsilon.
 *
 * The classifier (18 MB) is not loaded: the signs of the gradient and its answers at each epsilon were
 * computed with PyTorch. The changed image itself is computed here.
 */

import { choice, frame, make, readImage, slider, statusLine } from "./parts.js";
import { modelFile, models } from "./runtime.js";

const SIDE = 224, GAIN = 16; // of the change, where it is shown enlarged

/** @param {HTMLElement} element */
export async function mount(element) {
    const { photos, levels, guesses } = (await models()).adversarial;
    const [images, signs] = await Promise.all(
        ["photos", "signs"].map((name) => readImage(modelFile(`adversarial_${name}.webp`))));
    const photo = choice("Photo", photos.map((/** @type {string} */ name, /** @type {number} */ k) => [String(k), name]));
    const last = levels.length - 1;
    const epsilon = slider("epsilon, in grey levels of 256", "", "0", String(last), (/** @type {number} */ t) => String(levels[Math.round(t)]));
    epsilon.input.step = "1";
    const { line, say } = statusLine();
    const canvases = [0, 1].map(() => {
        const canvas = make("canvas", { role: "img", class: "demo-photo" });
        canvas.width = canvas.height = SIDE;
        return canvas;
    });
    const bars = make("div", { class: "demo-bars" });
    const update = () => {
        const k = Number(photo.select.value), level = Math.round(Number(epsilon.input.value));
        const image = new ImageData(SIDE, SIDE), change = new ImageData(SIDE, SIDE);
        for (let y = 0; y < SIDE; y++) {
            for (let x = 0; x < SIDE; x++) {
                for (let c = 0; c < 4; c++) {
                    const from = 4 * (y * images.width + k * SIDE + x) + c, to = 4 * (y * SIDE + x) + c;
                    const sign = c === 3 ? 0 : Math.round(signs.data[from] / 127.5) - 1; // -1, 0 or 1
                    image.data[to] = c === 3 ? 255 : images.data[from] + sign * levels[level];
                    change.data[to] = c === 3 ? 255 : 127.5 + GAIN * sign * levels[level];
                }
            }
        }
        canvases[0].getContext("2d").putImageData(image, 0, 0);
        canvases[1].getContext("2d").putImageData(change, 0, 0);
        const top = guesses[level][k];
        canvases[0].setAttribute("aria-label", `${photos[k]}, changed by ${levels[level]} grey levels`);
        canvases[1].setAttribute("aria-label", `the change, ${GAIN} times enlarged`);
        bars.replaceChildren(...top.map(([name, p]) => make("div", {},
            make("span", {}, `${name}, ${(100 * p).toFixed(1)} %`),
            make("meter", { min: "0", max: "1", value: String(p), "aria-label": name }))));
        say(`The classifier: ${top[0][0]}, ${(100 * top[0][1]).toFixed(1)} %.`);
    };
    photo.select.addEventListener("change", update);
    epsilon.input.addEventListener("input", update);
    update();
    const help = make("p", { class: "latent-help" },
        "Each colour value moves by epsilon, up or down as the sign of the loss's gradient says. The " +
        "signs and the classifier's answers were computed with PyTorch, in steps of half a grey level.");
    const view = make("div", { class: "demo-stages" },
        make("figure", { class: "demo-stage" }, canvases[0], make("figcaption", {}, "the changed photo")),
        make("figure", { class: "demo-stage" }, canvases[1], make("figcaption", {}, `the change, times ${GAIN}`)));
    element.append(frame([view, line], [photo.label, epsilon.label, bars, help]));
}
