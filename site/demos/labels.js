/** Notebook 05: a column per label, a row per style (latent vector). */

import { between } from "./latent.js";
import { button, frame, group, latest, noise, paintGrid, picture, row, slider, statusLine } from "./parts.js";
import { models, network } from "./runtime.js";

const STYLES = 5;

/** @param {HTMLElement} element */
export async function mount(element) {
    const [draw, { labels }] = await Promise.all([network("labels"), models()]);
    const { noiseDim, classes } = labels;
    const canvas = picture("");
    const { line, say } = statusLine();
    const mix = slider("From these styles to others", "", "0", "1", (t) => `${Math.round(100 * t)} %`);
    const next = button("New styles", "latent-primary");
    let seed = 1;
    const update = latest(async () => {
        const z = new Float32Array(STYLES * classes * noiseDim);
        const c = new Float32Array(STYLES * classes * classes);
        for (let style = 0; style < STYLES; style++) {
            const a = noise(100 * seed + style, noiseDim), b = noise(100 * (seed + 1) + style, noiseDim);
            const mixed = between(a, b, Number(mix.input.value), labels);
            for (let label = 0; label < classes; label++) {
                const k = style * classes + label;
                z.set(mixed, k * noiseDim);
                c[k * classes + label] = 1;
            }
        }
        const n = STYLES * classes;
        paintGrid(canvas, await draw({ z: [z, [n, noiseDim]], c: [c, [n, classes]] }), classes);
        canvas.setAttribute("aria-label",
            `${STYLES} rows of generated digits, 0 to ${classes - 1}; styles ${seed}`);
    });
    mix.input.addEventListener("input", update);
    next.addEventListener("click", () => {
        seed++;
        mix.set(0);
        say(`Styles ${seed}.`);
        update();
    });
    await update();
    say("One column per label, one row per latent vector.");
    element.append(frame([canvas, line], [row(next), group("Style", mix.label)]));
}
