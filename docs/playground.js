// The loops around two exported steps: times, noise, and pictures of what is known.
import * as ort from "./playground/ort.wasm.min.mjs";

const folder = new URL("playground/", import.meta.url);
const [NUM, COLUMNS, SIZE, CLASSES] = [10, 5, 8, 10];
const form = document.getElementById("digits");
const { model, calls, digit, guidance, seed, look, status } = form.elements;
const button = form.querySelector("button");
let looks = [];

// How to call each model: its names of inputs, the times of its calls and the one after, and the
// evidence of its state at an accuracy beta.
const MODELS = {
  student: {
    condition: "condition_condition",
    scale: "condition_guidance_scale",
    scaleShape: [NUM, 1],
    states: ["state"],
    times(num, { sigma_1, start }) {
      const [first, last] = [start, 1].map((t) => sigma_1 ** (-2 * t) - 1);
      const betas = Array.from({ length: num }, (_, i) => first * (last / first) ** (i / num));
      return [...betas.map((beta) => -Math.log(1 + beta) / (2 * Math.log(sigma_1))), 1];
    },
    evidence: (state, beta) => state * Math.sqrt(beta),
  },
  teacher: {
    condition: "condition",
    scale: "guidance_scale",
    scaleShape: [NUM],
    states: ["state_0", "state_1", "state_2"],
    times: (num) => [...Array.from({ length: num }, (_, i) => i / Math.max(1, num - 1)), 1],
    evidence: (state) => state,
  },
};

// Uniform numbers in (0, 1) that follow from a seed alone (mulberry32).
function uniforms(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return (((x ^ (x >>> 14)) >>> 0) + 0.5) / 2 ** 32;
  };
}

function normals(uniform, length) {
  const draw = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  return Float32Array.from({ length }, draw);
}

// Draws images side by side; `values` are 0 for black to 1 for white.
function show(canvas, values) {
  const cell = SIZE + 1;
  [canvas.width, canvas.height] = [COLUMNS * cell + 1, (NUM / COLUMNS) * cell + 1];
  const context = canvas.getContext("2d");
  context.fillStyle = "#597399";
  context.fillRect(0, 0, canvas.width, canvas.height);
  values.forEach((value, i) => {
    const [image, pixel] = [Math.floor(i / SIZE ** 2), i % SIZE ** 2];
    const x = 1 + (image % COLUMNS) * cell + (pixel % SIZE);
    const y = 1 + Math.floor(image / COLUMNS) * cell + Math.floor(pixel / SIZE);
    const grey = Math.round(255 * Math.min(1, Math.max(0, value)));
    context.fillStyle = `rgb(${grey}, ${grey}, ${grey})`;
    context.fillRect(x, y, 1, 1);
  });
}

function showLook(number) {
  const { known, expected } = looks[number];
  show(document.getElementById("evidence"), known);
  show(document.getElementById("expected"), expected);
  status.value = `Network call ${number + 1} of ${looks.length}.`;
}

async function draw(sessions, flow) {
  const uniform = uniforms(Number(seed.value));
  const size = NUM * SIZE ** 2;
  const image = [NUM, SIZE, SIZE, 1, 1];
  const classes = Int32Array.from({ length: NUM }, (_, i) =>
    digit.value === "each" ? i % CLASSES : Number(digit.value));
  const scalar = (value) => new ort.Tensor("float32", [value], []);
  const { condition, scale, scaleShape, states, times, evidence } = MODELS[model.value];
  const feed = {
    [condition]: new ort.Tensor("int32", classes, [NUM]),
    [scale]: new ort.Tensor("float32", new Float32Array(NUM).fill(guidance.value), scaleShape),
  };
  for (const name of states) feed[name] = new ort.Tensor("float32", new Float32Array(size), image);
  if (states.length > 1) feed.state_2 = scalar(-1); // the time of the last prediction
  const at = times(Number(calls.value), flow);
  looks = [];
  let known = new Float32Array(size);
  for (let i = 0; i + 1 < at.length; i++) {
    feed.t = scalar(at[i]);
    feed.t_next = scalar(at[i + 1]);
    feed.normal_0 = new ort.Tensor("float32", normals(uniform, size), image);
    const outputs = await sessions[model.value].run(feed);
    const levels = Array.from(outputs.x.data);
    looks.push({
      known: Array.from(known, (mean) => (mean + 1) / 2),
      expected: levels.map((level) => level / (flow.levels - 1)),
      levels,
    });
    for (const name of states) feed[name] = outputs[`next_${name}`];
    const beta = flow.sigma_1 ** (-2 * at[i + 1]) - 1;
    known = outputs[`next_${states[0]}`].data.map((s) => evidence(s, beta) / (1 + beta));
    look.max = look.value = i;
    showLook(i);
    await new Promise(requestAnimationFrame);
  }
}

async function start() {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = folder.href;
  const flow = await (await fetch(new URL("flow.json", folder))).json();
  const sessions = {};
  for (const name of Object.keys(MODELS)) {
    sessions[name] = await ort.InferenceSession.create(new URL(`${name}.onnx`, folder).href);
  }
  model.addEventListener("input", () => (calls.value = model.value === "student" ? 1 : 20));
  look.addEventListener("input", () => looks.length && showLook(Number(look.value)));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    delete form.dataset.levels;
    await draw(sessions, flow);
    form.dataset.levels = JSON.stringify(looks.at(-1).levels);
    button.disabled = false;
  });
  button.disabled = false;
  form.requestSubmit(button);
}

start().catch((error) => {
  status.value = `The model cannot run here: ${error.message}`;
});
