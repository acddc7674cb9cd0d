/** The game of notebook 02 on a plane: data, both players, one iteration, and two measures. */

import { Adam, MLP, normal } from "./mlp.js";

/** Points of a plane, x and y in turn. @typedef {Float64Array} Points */

/**
 * @typedef {object} Settings What a step may be told anew each time.
 * @property {boolean} saturating G's loss: log(1 - D), or -log D.
 * @property {number} k Steps of D per step of G.
 * @property {number} lr_G
 * @property {number} lr_D
 * @property {number} gamma Weight of the R1 penalty; 0 for none.
 */

const NOISE = 2, HIDDEN = 48, BATCH = 96, MODES = 8;

/** A few numbers of a distribution. @typedef {{name: string, points: (uniform: () => number) => [number, number]}} Data */

/** The data sets by name: each returns one random point. @type {Record<string, Data>} */
export const DATA = {
    ring: {
        name: "Ring of eight modes",
        points: (uniform) => {
            const draw = normal(uniform), angle = (2 * Math.PI * Math.floor(8 * uniform())) / 8;
            return [2 * Math.cos(angle) + 0.1 * draw(), 2 * Math.sin(angle) + 0.1 * draw()];
        },
    },
    moons: {
        name: "Two moons",
        points: (uniform) => {
            const draw = normal(uniform), angle = Math.PI * uniform(), upper = uniform() < 0.5;
            const x = upper ? Math.cos(angle) : 1 - Math.cos(angle);
            const y = upper ? Math.sin(angle) : 0.5 - Math.sin(angle);
            return [1.5 * (x - 0.5) + 0.1 * draw(), 1.5 * (y - 0.25) + 0.1 * draw()];
        },
    },
    line: {
        name: "A line",
        points: (uniform) => {
            const draw = normal(uniform), t = 4 * uniform() - 2;
            return [t + 0.05 * draw(), 0.6 * t + 0.05 * draw()];
        },
    },
};

/**
 * @param {Data["points"]} points
 * @param {number} count
 * @param {() => number} uniform
 * @returns {Points}
 */
export function sample(points, count, uniform) {
    return Float64Array.from(Array.from({ length: count }, () => points(uniform)).flat());
}

const sigmoid = (/** @type {number} */ t) => 1 / (1 + Math.exp(-t));

export class Game {
    /** @param {() => number} uniform Random numbers in [0, 1). */
    constructor(uniform) {
        this.uniform = uniform;
        this.draw = normal(uniform);
        this.G = new MLP([NOISE, HIDDEN, HIDDEN, 2], uniform);
        this.D = new MLP([2, HIDDEN, HIDDEN, 1], uniform);
        this.opt_G = new Adam(this.G.theta, 1e-3);
        this.opt_D = new Adam(this.D.theta, 1e-3);
        this.steps = 0;
    }

    /** @param {number} count */
    noise(count) {
        return Float64Array.from({ length: NOISE * count }, this.draw);
    }

    /**
     * G's samples.
     *
     * @param {Float64Array} z
     * @returns {Points}
     */
    generate(z) {
        return this.G.forward(z, z.length / NOISE).out;
    }

    /**
     * One iteration of Algorithm 1 (Goodfellow et al. 2014): k steps of D, one of G.
     *
     * @param {(count: number) => Points} real Draws data.
     * @param {Settings} settings
     */
    step(real, settings) {
        this.opt_G.lr = settings.lr_G;
        this.opt_D.lr = settings.lr_D;
        for (let i = 0; i < settings.k; i++) this.stepD(real(BATCH), settings.gamma);
        const gradient = new Float64Array(this.G.theta.length);
        const trace = this.G.forward(this.noise(BATCH), BATCH);
        this.G.backward(trace, this.pull(trace.out, settings.saturating, 1 / BATCH), gradient);
        this.opt_G.step(gradient);
        this.steps++;
    }

    /**
     * One step of D on -log D(x) - log(1 - D(G(z))), with R1.
     *
     * @param {Points} real
     * @param {number} gamma
     */
    stepD(real, gamma) {
        const gradient = new Float64Array(this.D.theta.length);
        const x = this.D.forward(real, BATCH);
        this.D.backward(x, x.out.map((logit) => -sigmoid(-logit) / BATCH), gradient);
        const fake = this.D.forward(this.generate(this.noise(BATCH)), BATCH);
        this.D.backward(fake, fake.out.map((logit) => sigmoid(logit) / BATCH), gradient);
        if (gamma > 0) this.D.r1(real, BATCH, gamma, gradient);
        this.opt_D.step(gradient);
    }

    /**
     * The gradient of G's loss with respect to its samples: they move against it.
     *
     * @param {Points} samples
     * @param {boolean} saturating
     * @param {number} weight Of each sample in the loss.
     * @returns {Points}
     */
    pull(samples, saturating, weight) {
        const trace = this.D.forward(samples, samples.length / 2);
        const slope = (/** @type {number} */ logit) => -sigmoid(saturating ? logit : -logit) * weight;
        return this.D.backward(trace, trace.out.map(slope));
    }

    /**
     * D's probability that points are real.
     *
     * @param {Points} points
     */
    judge(points) {
        return this.D.forward(points, points.length / 2).out.map(sigmoid);
    }
}

/** Squared distance of point i of a and point j of b. */
function squared(a, i, b, j) {
    return (a[2 * i] - b[2 * j]) ** 2 + (a[2 * i + 1] - b[2 * j + 1]) ** 2;
}

/**
 * Eight points spread over the data: each is the point that is farthest from those before it. On the
 * ring they are one point of each mode.
 *
 * @param {Points} data
 * @returns {Points}
 */
export function landmarks(data) {
    const chosen = [0], count = data.length / 2;
    const nearest = new Float64Array(count).fill(Infinity);
    while (chosen.length < Math.min(MODES, count)) {
        for (let i = 0; i < count; i++) {
            nearest[i] = Math.min(nearest[i], squared(data, i, data, chosen[chosen.length - 1]));
        }
        chosen.push(nearest.indexOf(Math.max(...nearest)));
    }
    return Float64Array.from(chosen.flatMap((i) => [data[2 * i], data[2 * i + 1]]));
}

/**
 * How many landmarks have at least 2 % of the samples within a distance of 0.4.
 *
 * @param {Points} samples
 * @param {Points} marks
 */
export function covered(samples, marks) {
    const count = samples.length / 2;
    let found = 0;
    for (let j = 0; j < marks.length / 2; j++) {
        let near = 0;
        for (let i = 0; i < count; i++) if (squared(samples, i, marks, j) < 0.16) near++;
        if (near >= 0.02 * count) found++;
    }
    return found;
}

/**
 * The energy distance of two sets of points (Székely and Rizzo 2013), 2 E|x - y| - E|x - x'| -
 * E|y - y'|: 0 for equal distributions.
 *
 * @param {Points} a
 * @param {Points} b
 */
export function energyDistance(a, b) {
    const mean = (/** @type {Points} */ p, /** @type {Points} */ q) => {
        let sum = 0;
        const n = p.length / 2, m = q.length / 2;
        for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) sum += Math.sqrt(squared(p, i, q, j));
        return sum / (p === q ? n * (n - 1) : n * m);
    };
    return 2 * mean(a, b) - mean(a, a) - mean(b, b);
}
