/** Notebook 09: a flower by day to dusk and back, or from dusk to day and back. */

import { button, choice, frame, latest, make, paint, readImage, row, statusLine, tensorOf } from "./parts.js";
import { modelFile, network } from "./runtime.js";

const SIDE = 32, COUNT = 12, LARGEST = 128;

/** @param {HTMLElement} element */
export async function mount(element) {
    const nets = { day: await network("day_to_dusk"), dusk: await network("dusk_to_day") };
    const titles = { day: ["by day", "to dusk", "and back"], dusk: ["at dusk", "to day", "and back"] };
    const { line, say } = statusLine();
    const direction = choice("From", [["day", "day to dusk"], ["dusk", "dusk to day"]]);
    const next = button("Another flower", "latent-primary");
    const file = make("input", { type: "file", accept: "image/*" });
    const canvases = [0, 1, 2].map(() => make("canvas", { role: "img", class: "demo-picture" }));
    const captions = [0, 1, 2].map(() => make("figcaption"));
    let chosen = 0;
    /** @type {Blob | null} */
    let own = null;
    const update = latest(async () => {
        const from = /** @type {"day" | "dusk"} */ (direction.select.value);
        const source = own ?? modelFile(`${from}.webp`);
        const image = await readImage(source, own ? square : () => [chosen * SIDE, 0, SIDE, SIDE], own ? LARGEST : SIDE);
        const side = 2 * Math.floor(image.width / 2), shape = [1, 3, side, side];
        const other = from === "day" ? "dusk" : "day";
        const x = tensorOf(own ? crop(image, side) : image);
        const there = await nets[from]({ x: [x, shape] });
        const back = await nets[other]({ x: [there.data, shape] });
        [x, there.data, back.data].forEach((data, k) => {
            paint(canvases[k], { data, dims: shape });
            captions[k].textContent = titles[from][k];
            canvases[k].setAttribute("aria-label", `${own ? "your image" : `flower ${chosen + 1}`}, ${titles[from][k]}`);
        });
        const error = x.reduce((sum, value, i) => sum + Math.abs(value - back.data[i]), 0) / x.length;
        say(`Mean absolute difference of the first and the last image: ${error.toFixed(3)} (values from -1 to 1).`);
    });
    next.addEventListener("click", () => { own = null; chosen = (chosen + 1) % COUNT; update(); });
    direction.select.addEventListener("change", update);
    file.addEventListener("change", () => { own = file.files[0] ?? null; update(); });
    const upload = make("label", { class: "demo-choice" },
        make("span", {}, "Or an image of yours (it stays in this browser)"), file);
    const view = make("div", { class: "demo-stages" },
        ...canvases.map((canvas, k) => make("figure", { class: "demo-stage" }, canvas, captions[k])));
    await update();
    const help = make("p", { class: "latent-help" },
        "The networks have seen drawn flowers only, of 32 x 32 pixels: an image of your own shows what " +
        "they do with anything else.");
    element.append(frame([view, line], [direction.label, row(next), upload, help]));
}

/** The square in the middle. @returns {[number, number, number, number]} */
function square(/** @type {number} */ width, /** @type {number} */ height) {
    const side = Math.min(width, height);
    return [Math.floor((width - side) / 2), Math.floor((height - side) / 2), side, side];
}

/** @param {ImageData} image @param {number} side */
function crop(image, side) {
    const canvas = make("canvas");
    canvas.width = canvas.height = side;
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas.getContext("2d").getImageData(0, 0, side, side);
}
