/** Notebook 02: the game on a plane, trained while one watches. */

import { button, choice, frame, group, make, randomNumbers, row, slider, statusLine, tick } from "./parts.js";
import { covered, DATA, energyDistance, Game, landmarks, sample } from "./game.js";

/** @typedef {import("./game.js").Points} Points */

const SIZE = 480, EDGE = 3, CELLS = 40, SHOWN = 256, MEASURED = 200, EVERY = 10, HISTORY = 2000;
const ARROWS = 48;

/** Colours of a demo: those of the theme, as CSS has them. @param {Element} element */
function colours(element) {
    const style = getComputedStyle(element);
    const of = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    return { data: of("--demo-data"), fake: of("--demo-fake"), arrow: of("--demo-arrow"), ink: style.color };
}

/** @param {number} value Of a coordinate. */
const toPixel = (value) => ((value + EDGE) / (2 * EDGE)) * SIZE;

/** @param {HTMLElement} element */
export async function mount(element) {
    const plane = make("canvas", { role: "img", class: "demo-plane", "aria-label": "Data, samples of G, and D's judgement on a plane" });
    const curves = make("canvas", { role: "img", class: "demo-curves", "aria-label": "Modes covered and energy distance, over the steps" });
    plane.width = plane.height = SIZE;
    curves.width = SIZE;
    curves.height = 120;
    const { line, say } = statusLine();
    const data = choice("Data", [...Object.entries(DATA).map(([key, { name }]) => /** @type {[string, string]} */ ([key, name])), ["own", "Draw your own"]]);
    const loss = choice("G's loss", [["", "-log D(G(z))"], ["saturating", "log(1 - D(G(z))), saturating"]]);
    const play = button("Play", "latent-primary"), once = button("One step"), reset = button("Start again");
    const rate = (/** @type {number} */ t) => (10 ** t).toPrecision(2);
    const speed = slider("Steps per picture", "", "1", "30", (/** @type {number} */ t) => String(Math.round(t)));
    const k = slider("k: steps of D per step of G", "", "1", "10", (/** @type {number} */ t) => String(Math.round(t)));
    const lr_G = slider("Learning rate of G", "", "-4", "-1.5", rate), lr_D = slider("Learning rate of D", "", "-4", "-1.5", rate);
    const gamma = slider("R1 penalty, weight", "", "0", "2", (/** @type {number} */ t) => t.toFixed(1));
    for (const whole of [speed, k]) whole.input.step = "1";
    for (const [control, value] of /** @type {[typeof k, number][]} */ ([[speed, 5], [k, 1], [lr_G, -2.7], [lr_D, -2.5], [gamma, 0]])) control.set(value);
    const heat = tick("D's judgement", true), arrows = tick("Gradient on the samples", true);

    /** @type {Points} */
    let drawn = new Float64Array();
    /** @type {{game: Game, z: Float64Array, shown: Points, marks: Points, history: number[][]}} */
    let state;
    let playing = 0, said = 0;

    const settings = () => ({
        saturating: loss.select.value === "saturating", k: Math.round(Number(k.input.value)),
        lr_G: 10 ** Number(lr_G.input.value), lr_D: 10 ** Number(lr_D.input.value),
        gamma: Number(gamma.input.value),
    });
    const begin = () => {
        const game = new Game(randomNumbers(1 + Math.floor(1e6 * Math.random())));
        const shown = data.select.value === "own" ? drawn : sample(DATA[data.select.value].points, SHOWN, game.uniform);
        const z = game.noise(SHOWN);
        state = { game, z, shown, marks: shown.length ? landmarks(shown) : shown, history: [] };
    };
    const real = (/** @type {number} */ count) => {
        const { game } = state;
        if (data.select.value !== "own") return sample(DATA[data.select.value].points, count, game.uniform);
        return sample(() => {
            const i = Math.floor((game.uniform() * drawn.length) / 2);
            return [drawn[2 * i] + 0.05 * game.draw(), drawn[2 * i + 1] + 0.05 * game.draw()];
        }, count, game.uniform);
    };
    const advance = (/** @type {number} */ steps) => {
        const now = settings();
        for (let n = 0; n < steps; n++) {
            state.game.step(real, now);
            if (state.game.steps % EVERY === 0) measure();
        }
    };
    const measure = () => {
        const { game, z, shown, marks, history } = state;
        const samples = game.generate(z);
        const some = 2 * MEASURED;
        const distance = energyDistance(samples.subarray(0, some), shown.subarray(0, some));
        history.push([game.steps, covered(samples, marks), distance]);
        if (history.length > HISTORY) history.splice(0, history.length - HISTORY);
    };
    const draw = () => {
        const colour = colours(element), context = plane.getContext("2d");
        context.clearRect(0, 0, SIZE, SIZE);
        const { game, z, shown } = state, samples = game.generate(z);
        if (heat.input.checked) drawHeat(context, game);
        dots(context, shown, colour.data, 2.5);
        if (arrows.input.checked) drawArrows(context, game, samples.subarray(0, 2 * ARROWS), settings().saturating, colour.arrow);
        dots(context, samples, colour.fake, 2.5);
        drawCurves(curves, state.history, state.marks.length / 2, colour);
        const [steps, modes, distance] = state.history.at(-1) ?? [game.steps, 0, NaN];
        element.dataset.steps = String(game.steps);
        const text = state.history.length
            ? `Step ${steps.toLocaleString("en")}: ${modes} of ${state.marks.length / 2} places covered, energy distance ${distance.toFixed(3)}.`
            : `Step ${game.steps}.`;
        if (!playing || performance.now() - said > 2000) { said = performance.now(); say(text); }
    };
    const ready = () => {
        if (state.shown.length >= 2 * 20) return true;
        say("Draw on the plane first: press and move. 20 points or more.");
        return false;
    };
    const frameStep = (/** @type {number} */ mine) => {
        if (playing !== mine) return;
        advance(Math.round(Number(speed.input.value)));
        draw();
        const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
        if (calm) setTimeout(() => requestAnimationFrame(() => frameStep(mine)), 1000);
        else requestAnimationFrame(() => frameStep(mine));
    };
    let plays = 0;
    const pause = () => { playing = 0; play.textContent = "Play"; };
    play.addEventListener("click", () => {
        if (playing) { pause(); draw(); return; }
        if (!ready()) return;
        playing = ++plays;
        play.textContent = "Pause";
        frameStep(playing);
    });
    once.addEventListener("click", () => { if (ready()) { pause(); advance(1); draw(); } });
    const restart = () => { pause(); begin(); draw(); };
    reset.addEventListener("click", restart);
    data.select.addEventListener("change", () => { restart(); if (data.select.value === "own") ready(); });
    for (const control of [loss.select, heat.input, arrows.input]) control.addEventListener("change", draw);
    plane.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
        if (data.select.value !== "own") return;
        plane.setPointerCapture(event.pointerId);
    });
    plane.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
        if (data.select.value !== "own" || event.buttons === 0) return;
        const box = plane.getBoundingClientRect();
        const x = (2 * (event.clientX - box.left) / box.width - 1) * EDGE;
        const y = (1 - 2 * (event.clientY - box.top) / box.height) * EDGE;
        const near = Array.from({ length: 3 }, () => [x + 0.12 * (Math.random() - 0.5), y + 0.12 * (Math.random() - 0.5)]).flat();
        drawn = Float64Array.from([...drawn, ...near]);
        restart();
    });
    const clear = button("Clear the drawing");
    clear.addEventListener("click", () => { drawn = new Float64Array(); restart(); });

    begin();
    element.classList.add("demo-game");
    const key = make("p", { class: "latent-help demo-key" },
        make("span", { class: "demo-key-data" }, "data"), make("span", { class: "demo-key-fake" }, "samples of G"),
        make("span", { class: "demo-key-arrow" }, "where G's loss moves them"),
        "The greyer a place, the surer D is that it is real. Eight places are spread over the data (on the " +
        "ring: its modes); one is covered if 2 % of the samples are near it.");
    element.append(frame([plane, key, curves, line], [
        row(play, once, reset), speed.label, row(data.label, clear),
        group("The game", loss.label, k.label, lr_G.label, lr_D.label, gamma.label), row(heat.label, arrows.label),
    ]));
    draw();
    new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
}

/** @param {CanvasRenderingContext2D} context @param {Points} points @param {string} colour @param {number} radius */
function dots(context, points, colour, radius) {
    context.fillStyle = colour;
    for (let i = 0; i < points.length; i += 2) {
        context.beginPath();
        context.arc(toPixel(points[i]), SIZE - toPixel(points[i + 1]), radius, 0, 2 * Math.PI);
        context.fill();
    }
}

/** D's probability as grey: transparent for fake, dark for real. */
function drawHeat(/** @type {CanvasRenderingContext2D} */ context, /** @type {Game} */ game) {
    const places = new Float64Array(2 * CELLS * CELLS);
    for (let i = 0; i < CELLS * CELLS; i++) {
        places[2 * i] = (2 * ((i % CELLS) + 0.5) / CELLS - 1) * EDGE;
        places[2 * i + 1] = (1 - 2 * (Math.floor(i / CELLS) + 0.5) / CELLS) * EDGE;
    }
    const small = make("canvas"), image = new ImageData(CELLS, CELLS);
    small.width = small.height = CELLS;
    game.judge(places).forEach((p, i) => image.data.set([128, 128, 128, 190 * p], 4 * i));
    small.getContext("2d").putImageData(image, 0, 0);
    context.drawImage(small, 0, 0, SIZE, SIZE); // smoothed
}

/** Where a step against the gradient of G's loss moves samples, in proportion, at most 30 pixels. */
function drawArrows(/** @type {CanvasRenderingContext2D} */ context, /** @type {Game} */ game, /** @type {Points} */ samples, /** @type {boolean} */ saturating, /** @type {string} */ colour) {
    const pull = game.pull(samples, saturating, 1);
    context.strokeStyle = colour;
    context.lineWidth = 1.5;
    context.beginPath();
    for (let i = 0; i < samples.length; i += 2) {
        const length = Math.hypot(pull[i], pull[i + 1]) || 1e-9;
        const scale = Math.min(30, 20 * length) / length;
        const x = toPixel(samples[i]), y = SIZE - toPixel(samples[i + 1]);
        context.moveTo(x, y);
        context.lineTo(x - scale * pull[i], y + scale * pull[i + 1]);
    }
    context.stroke();
}

/** Two curves in one picture, each on its own scale. */
function drawCurves(/** @type {HTMLCanvasElement} */ canvas, /** @type {number[][]} */ history, /** @type {number} */ most, /** @type {any} */ colour) {
    const context = canvas.getContext("2d"), { width, height } = canvas;
    context.clearRect(0, 0, width, height);
    context.font = "12px sans-serif";
    const largest = Math.max(0.1, ...history.map(([, , distance]) => distance));
    const series = /** @type {[string, string, (values: number[]) => number][]} */ ([
        [`places covered, 0 to ${most}`, colour.fake, ([, modes]) => modes / Math.max(1, most)],
        [`energy distance, 0 to ${largest.toFixed(2)}`, colour.data, ([, , distance]) => Math.max(0, distance) / largest],
    ]);
    series.forEach(([name, stroke, share], n) => {
        context.strokeStyle = stroke;
        context.lineWidth = 2;
        context.beginPath();
        history.forEach((values, i) => {
            const x = (i / Math.max(1, history.length - 1)) * width, y = height - 4 - share(values) * (height - 24);
            if (i) context.lineTo(x, y); else context.moveTo(x, y);
        });
        context.stroke();
        context.fillStyle = stroke;
        context.fillText(name, 4 + (n * width) / 2, 12);
    });
}
