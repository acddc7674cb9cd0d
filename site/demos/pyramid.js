/** Notebook 06: from 8 x 8 to 64 x 64 pixels; each stage has noise of its own. */

import { button, frame, latest, make, noise, paint, statusLine } from "./parts.js";
import { models, network } from "./runtime.js";

const SIDES = [8, 16, 32, 64];

/**
 * Double the side by bilinear interpolation, as `papers.lapgan.up`.
 *
 * @param {Float32Array} image (3, side, side)
 * @param {number} side
 */
export function up(image, side) {
    const large = 2 * side, out = new Float32Array(3 * large * large);
    const place = (/** @type {number} */ i) => {
        const at = Math.max(0, (i + 0.5) / 2 - 0.5), low = Math.floor(at);
        return { low, high: Math.min(low + 1, side - 1), share: at - low };
    };
    for (let c = 0; c < 3; c++) {
        const pixel = (/** @type {number} */ y, /** @type {number} */ x) => image[(c * side + y) * side + x];
        for (let i = 0; i < large; i++) {
            const y = place(i);
            for (let j = 0; j < large; j++) {
                const x = place(j);
                const above = pixel(y.low, x.low) * (1 - x.share) + pixel(y.low, x.high) * x.share;
                const below = pixel(y.high, x.low) * (1 - x.share) + pixel(y.high, x.high) * x.share;
                out[(c * large + i) * large + j] = above * (1 - y.share) + below * y.share;
            }
        }
    }
    return out;
}

/** @param {HTMLElement} element */
export async function mount(element) {
    const nets = await Promise.all(SIDES.map((side) => network(`lapgan_${side}`)));
    const dim = (await models()).lapgan_8.inputs.z[1];
    const seeds = [1, 1, 1, 1];
    const { line, say } = statusLine();
    const canvases = SIDES.map((side) => make("canvas", { role: "img", class: "demo-picture", "aria-label": `${side} x ${side} pixels` }));
    const buttons = SIDES.map((side, level) =>
        button(level ? `New noise at ${side}` : "New flower", level ? "" : "latent-primary"));
    const update = latest(async () => {
        let image = (await nets[0]({ z: [noise(seeds[0], dim), [1, dim]] })).data;
        paint(canvases[0], { data: image, dims: [1, 3, 8, 8] });
        for (let level = 1; level < SIDES.length; level++) {
            const side = SIDES[level], shape = [1, 3, side, side];
            const low = up(image, side / 2), z = noise(seeds[level], side * side);
            const residual = await nets[level]({ z: [z, [1, 1, side, side]], low: [low, shape] });
            image = low.map((value, i) => value + residual.data[i]);
            paint(canvases[level], { data: image, dims: shape });
        }
    });
    buttons.forEach((pressed, level) => pressed.addEventListener("click", () => {
        seeds[level] = Math.floor(Math.random() * 1e6);
        say(level ? `New noise at ${SIDES[level]} pixels: coarser images stay.` : "A new flower.");
        update();
    }));
    const stages = SIDES.map((side, level) => make("figure", { class: "demo-stage" },
        canvases[level], make("figcaption", {}, `${side} x ${side}`), buttons[level]));
    await update();
    say("Four GANs, trained separately: each adds the detail that its image lacks.");
    element.append(frame([make("div", { class: "demo-stages" }, ...stages), line], []));
}
