/** Notebook 07: type a sentence, see flowers. Both networks run here: the text encoder and G. */

import { button, frame, latest, make, noise, paintGrid, picture, row, statusLine } from "./parts.js";
import { models, network } from "./runtime.js";

const COUNT = 8;
const EXAMPLES = [
    "a red flower with six round petals and a yellow centre on a meadow",
    "this bloom is violet, its petals are pointed, with the sky around it",
    "a small white flower with narrow petals",
];

/**
 * Characters as one-hot rows, as `text2image.to_characters`: other characters and the end are zeros.
 *
 * @param {string} text
 * @param {string} alphabet
 * @param {number} length
 */
export function oneHot(text, alphabet, length) {
    const rows = new Float32Array(length * alphabet.length);
    [...text.toLowerCase().trim()].slice(0, length).forEach((character, i) => {
        const place = alphabet.indexOf(character);
        if (place >= 0) rows[i * alphabet.length + place] = 1;
    });
    return rows;
}

/**
 * Words of a text that no training sentence has.
 *
 * @param {string} text
 * @param {string[]} words
 */
export function unknownWords(text, words) {
    const found = text.toLowerCase().split(/[\s,.;:!?]+/).filter((word) => word && !words.includes(word));
    return [...new Set(found)];
}

/** @param {HTMLElement} element */
export async function mount(element) {
    const [read, draw, described] = await Promise.all([
        network("sentence_reader"), network("sentence_generator"), models(),
    ]);
    const { alphabet, words, inputs } = described.sentence_reader;
    const length = inputs.characters[1], { noiseDim } = described.sentence_generator;
    const canvas = picture("");
    const { line, say } = statusLine();
    const field = make("input", { type: "text", maxlength: String(length), class: "demo-text" });
    field.value = EXAMPLES[0];
    const label = make("label", { class: "demo-choice" }, make("span", {}, "Describe a flower"), field);
    const again = button("Other latent vectors");
    let seed = 1;
    const update = latest(async () => {
        const text = field.value;
        if (!text.trim()) return say("Type a sentence.");
        const rows = oneHot(text, alphabet, length);
        const c = (await read({ characters: [rows, [1, length, alphabet.length]] })).data;
        const conditions = new Float32Array(COUNT * c.length);
        for (let k = 0; k < COUNT; k++) conditions.set(c, k * c.length);
        const z = noise(seed, COUNT * noiseDim);
        paintGrid(canvas, await draw({
            z: [z, [COUNT, noiseDim]], c: [conditions, [COUNT, c.length]],
        }), 4);
        canvas.setAttribute("aria-label", `${COUNT} flowers generated for: ${text}`);
        const unknown = unknownWords(text, words);
        say(unknown.length
            ? `Not in any training sentence: ${unknown.join(", ")}. The encoder reads letters, and guesses.`
            : `${COUNT} flowers for this sentence; they differ in z.`);
    });
    field.addEventListener("input", update);
    again.addEventListener("click", () => { seed++; update(); });
    const examples = EXAMPLES.map((text) => {
        const example = button(text, "demo-example");
        example.addEventListener("click", () => { field.value = text; update(); });
        return example;
    });
    await update();
    const help = make("p", { class: "latent-help" },
        "Petals are red, pink, white, violet or blue; round, narrow or pointed; five to eight. Centres are " +
        "yellow or orange, and no training image has yellow petals: try it. After a few minutes of " +
        "training G follows the colour, and the shape only a little.");
    element.append(frame([canvas, line], [label, row(again), help, make("div", { class: "demo-examples" }, ...examples)]));
}
