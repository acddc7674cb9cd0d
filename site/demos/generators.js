/** Notebooks 03, 04 and 11: the latent space of a generator, with the digits nearest to its image. */

import { mount as mountLatent } from "./latent.js";
import { make, readImage } from "./parts.js";
import { bytes, modelFile, models, runtime } from "./runtime.js";

const SIDE = 32, COLUMNS = 40, SHOWN = 5; // of the sheet of real digits; of those shown

/**
 * @param {HTMLElement} element
 * @param {string} name "digits" or "galaxies"
 */
export async function mount(element, name) {
    const [ort, described, onnx] = await Promise.all([runtime(), models(), bytes(`models/${name}.onnx`)]);
    const place = make("div");
    const neighbours = name === "digits" ? await nearest() : { row: make("div"), show: () => {} };
    const { noiseDim, noise, directions, shares } = described[name];
    await mountLatent(place, ort, { onnx, noiseDim, noise, directions, shares }, {}, neighbours.show);
    element.append(place, neighbours.row);
}

/** The training digits that are nearest to an image, pixel by pixel. */
async function nearest() {
    const sheet = await readImage(modelFile("real_digits.webp"));
    const rows = sheet.height / SIDE, plane = SIDE * SIDE;
    const real = new Float32Array(rows * COLUMNS * plane);
    for (let k = 0; k < rows * COLUMNS; k++) {
        for (let i = 0; i < plane; i++) {
            const x = (k % COLUMNS) * SIDE + (i % SIDE);
            const y = Math.floor(k / COLUMNS) * SIDE + Math.floor(i / SIDE);
            real[k * plane + i] = sheet.data[4 * (y * sheet.width + x)] / 127.5 - 1;
        }
    }
    const canvas = make("canvas", {
        role: "img", class: "demo-picture",
        "aria-label": `The ${SHOWN} of ${rows * COLUMNS} training digits that are nearest to the image`,
    });
    canvas.width = SHOWN * SIDE;
    canvas.height = SIDE;
    canvas.style.width = "min(100%, 20rem)";
    const caption = make("p", { class: "latent-help" },
        `Nearest training digits, of ${rows * COLUMNS}, by the squared difference of pixels: is the ` +
        "generated digit a copy of one of them?");
    const show = (/** @type {{data: Float32Array}} */ { data }) => {
        const distances = Array.from({ length: rows * COLUMNS }, (_, k) => {
            let sum = 0;
            for (let i = 0; i < plane; i++) sum += (data[i] - real[k * plane + i]) ** 2;
            return sum;
        });
        const order = distances.map((_, k) => k).sort((a, b) => distances[a] - distances[b]);
        const context = canvas.getContext("2d");
        order.slice(0, SHOWN).forEach((k, n) => {
            const x = (k % COLUMNS) * SIDE, y = Math.floor(k / COLUMNS) * SIDE;
            context.putImageData(sheet, n * SIDE - x, -y, x, y, SIDE, SIDE);
        });
    };
    return { row: make("div", { class: "demo-below" }, caption, canvas), show };
}
