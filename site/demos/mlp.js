/**
 * A multilayer perceptron with its gradients, as the course's `papers.blocks.MLP`: LeakyReLU between
 * the layers. Batches are Float64Arrays, row by row.
 */

const SLOPE = 0.2; // of LeakyReLU below 0

/**
 * @typedef {object} Trace What `forward` computed, for `backward`.
 * @property {number} count Rows of the batch.
 * @property {Float64Array[]} inputs Of each layer; the network's input is the first.
 * @property {Float64Array} out The network's output.
 */

/**
 * Normally distributed random numbers.
 *
 * @param {() => number} uniform Random numbers in [0, 1).
 */
export function normal(uniform) {
    return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

export class MLP {
    /**
     * @param {number[]} sizes Units from input to output, such as [2, 64, 64, 1].
     * @param {() => number} uniform Random numbers in [0, 1), for the initial weights (He et al. 2015).
     */
    constructor(sizes, uniform) {
        this.sizes = sizes;
        const draw = normal(uniform);
        const total = sizes.slice(1).reduce((sum, n, l) => sum + n * (sizes[l] + 1), 0);
        /** All parameters: of each layer the weights (n_out, n_in), then the biases. */
        this.theta = new Float64Array(total);
        /** @type {{weight: Float64Array, bias: Float64Array}[]} Views of theta. */
        this.layers = this.views(this.theta);
        this.layers.forEach(({ weight, bias }, l) => {
            const std = Math.sqrt(2 / (1 + SLOPE * SLOPE) / sizes[l]);
            const bound = 1 / Math.sqrt(sizes[l]);
            for (let i = 0; i < weight.length; i++) weight[i] = std * draw();
            for (let i = 0; i < bias.length; i++) bias[i] = bound * (2 * uniform() - 1);
        });
    }

    /** @param {Float64Array} flat Weights and biases of all layers, or their gradients. */
    views(flat) {
        let at = 0;
        return this.sizes.slice(1).map((n, l) => {
            const weight = flat.subarray(at, at + n * this.sizes[l]);
            const bias = flat.subarray(at + weight.length, at + weight.length + n);
            at += weight.length + n;
            return { weight, bias };
        });
    }

    /**
     * @param {Float64Array} x (count, n_in), row by row.
     * @param {number} count
     * @returns {Trace}
     */
    forward(x, count) {
        const inputs = [x];
        let out = x;
        this.layers.forEach(({ weight, bias }, l) => {
            const n_in = this.sizes[l], n_out = this.sizes[l + 1];
            const last = l === this.layers.length - 1;
            out = new Float64Array(count * n_out);
            for (let row = 0; row < count; row++) {
                for (let j = 0; j < n_out; j++) {
                    let sum = bias[j];
                    for (let i = 0; i < n_in; i++) sum += weight[j * n_in + i] * inputs[l][row * n_in + i];
                    out[row * n_out + j] = last || sum > 0 ? sum : SLOPE * sum;
                }
            }
            if (!last) inputs.push(out);
        });
        return { count, inputs, out };
    }

    /**
     * The gradient of a loss, from that with respect to the output.
     *
     * @param {Trace} trace
     * @param {Float64Array} outward Gradient with respect to the output.
     * @param {Float64Array} [gradient] The gradient with respect to theta is added to it.
     * @param {(layer: number, delta: Float64Array) => void} [visit] Called with the gradient with
     *     respect to each layer's linear output, the last one first.
     * @returns {Float64Array} With respect to the input.
     */
    backward(trace, outward, gradient, visit = () => {}) {
        const into = gradient && this.views(gradient);
        let delta = outward;
        for (let l = this.layers.length - 1; l >= 0; l--) {
            const n_in = this.sizes[l], n_out = this.sizes[l + 1];
            const { weight } = this.layers[l], x = trace.inputs[l];
            visit(l, delta);
            if (into) addOuter(into[l].weight, delta, x, trace.count, n_out, n_in);
            const below = new Float64Array(trace.count * n_in);
            for (let row = 0; row < trace.count; row++) {
                for (let j = 0; j < n_out; j++) {
                    const d = delta[row * n_out + j];
                    if (into) into[l].bias[j] += d;
                    for (let i = 0; i < n_in; i++) below[row * n_in + i] += d * weight[j * n_in + i];
                }
            }
            if (l > 0) scaleBySlope(below, x);
            delta = below;
        }
        return delta;
    }

    /**
     * R1 (Mescheder et al. 2018): gamma / 2 times the mean squared gradient of the output with respect
     * to the input; its gradient with respect to theta is added.
     *
     * LeakyReLU is linear between its kinks, so the gradient g is W1' S1 W2' S2 ..., with constant
     * slopes S. The derivative of v . g, for a constant v, is the outer product of each layer's
     * backward signal and of v carried forward through the layers below. Here v = gamma / n * g.
     *
     * @param {Float64Array} x (count, n_in).
     * @param {number} count
     * @param {number} gamma
     * @param {Float64Array} gradient
     * @returns {number} The penalty.
     */
    r1(x, count, gamma, gradient) {
        const trace = this.forward(x, count), into = this.views(gradient);
        /** @type {Float64Array[]} */
        const deltas = [];
        const ones = new Float64Array(count * this.sizes[this.sizes.length - 1]).fill(1);
        const g = this.backward(trace, ones, undefined, (l, delta) => { deltas[l] = delta; });
        let tangent = g.map((value) => (gamma / count) * value);
        this.layers.forEach(({ weight }, l) => {
            const n_in = this.sizes[l], n_out = this.sizes[l + 1];
            addOuter(into[l].weight, deltas[l], tangent, count, n_out, n_in);
            if (l === this.layers.length - 1) return;
            const next = new Float64Array(count * n_out);
            for (let row = 0; row < count; row++) {
                for (let j = 0; j < n_out; j++) {
                    let sum = 0;
                    for (let i = 0; i < n_in; i++) sum += weight[j * n_in + i] * tangent[row * n_in + i];
                    next[row * n_out + j] = sum;
                }
            }
            scaleBySlope(next, trace.inputs[l + 1]);
            tangent = next;
        });
        return (gamma / 2 / count) * g.reduce((sum, value) => sum + value * value, 0);
    }
}

/** Add the sum over rows of delta (row, j) times x (row, i) to a matrix (j, i). */
function addOuter(matrix, delta, x, count, n_out, n_in) {
    for (let row = 0; row < count; row++) {
        for (let j = 0; j < n_out; j++) {
            const d = delta[row * n_out + j];
            for (let i = 0; i < n_in; i++) matrix[j * n_in + i] += d * x[row * n_in + i];
        }
    }
}

/** Multiply by LeakyReLU's slope, which the sign of its output tells. */
function scaleBySlope(values, output) {
    for (let i = 0; i < values.length; i++) if (output[i] <= 0) values[i] *= SLOPE;
}

/** Adam (Kingma and Ba 2015) for one array of parameters. */
export class Adam {
    /**
     * @param {Float64Array} theta Changed in place.
     * @param {number} lr
     * @param {[number, number]} betas
     */
    constructor(theta, lr, betas = [0.5, 0.99]) {
        this.theta = theta;
        this.lr = lr;
        this.betas = betas;
        this.mean = new Float64Array(theta.length);
        this.square = new Float64Array(theta.length);
        this.steps = 0;
    }

    /** @param {Float64Array} gradient */
    step(gradient) {
        const [b1, b2] = this.betas;
        this.steps++;
        const c1 = 1 - b1 ** this.steps, c2 = 1 - b2 ** this.steps;
        for (let i = 0; i < gradient.length; i++) {
            this.mean[i] = b1 * this.mean[i] + (1 - b1) * gradient[i];
            this.square[i] = b2 * this.square[i] + (1 - b2) * gradient[i] * gradient[i];
            const scale = Math.sqrt(this.square[i] / c2) + 1e-8;
            this.theta[i] -= ((this.lr / c1) * this.mean[i]) / scale;
        }
    }
}
