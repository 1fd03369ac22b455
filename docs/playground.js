// The loop around an exported step: times, noise, and pictures of what is known.
import * as ort from "./playground/ort.wasm.min.mjs";

const folder = new URL("playground/", import.meta.url);
const [NUM, COLUMNS, SIZE, CLASSES] = [10, 5, 8, 10];
const form = document.getElementById("digits");
const { digit, steps, guidance, seed, look, status } = form.elements;
const button = form.querySelector("button");
let looks = [];

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
  status.value = `Look ${number + 1} of ${looks.length}.`;
}

async function draw(session, flow) {
  const uniform = uniforms(Number(seed.value));
  const [size, num] = [NUM * SIZE ** 2, Number(steps.value)];
  const image = [NUM, SIZE, SIZE, 1, 1];
  const classes = Int32Array.from({ length: NUM }, (_, i) =>
    digit.value === "each" ? i % CLASSES : Number(digit.value));
  const scalar = (value) => new ort.Tensor("float32", [value], []);
  const feed = {
    condition: new ort.Tensor("int32", classes, [NUM]),
    guidance_scale: new ort.Tensor("float32", new Float32Array(NUM).fill(guidance.value), [NUM]),
    state_0: new ort.Tensor("float32", new Float32Array(size), image),
    state_1: new ort.Tensor("float32", new Float32Array(size), image),
    state_2: scalar(-1),
  };
  looks = [];
  let known = new Float32Array(size);
  for (let i = 0; i <= num; i++) {
    feed.t = scalar(i / num);
    feed.t_next = scalar(Math.min(1, (i + 1) / num));
    feed.normal_0 = new ort.Tensor("float32", normals(uniform, size), image);
    const outputs = await session.run(feed);
    const levels = Array.from(outputs.x.data);
    looks.push({
      known: Array.from(known, (mean) => (mean + 1) / 2),
      expected: levels.map((level) => level / (flow.levels - 1)),
      levels,
    });
    for (const k of [0, 1, 2]) feed[`state_${k}`] = outputs[`next_state_${k}`];
    const beta = flow.sigma_1 ** (-2 * feed.t_next.data[0]) - 1;
    known = outputs.next_state_0.data.map((s) => s / (1 + beta));
    look.max = look.value = i;
    showLook(i);
    await new Promise(requestAnimationFrame);
  }
}

async function start() {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = folder.href;
  const flow = await (await fetch(new URL("flow.json", folder))).json();
  const session = await ort.InferenceSession.create(new URL("step.onnx", folder).href);
  look.addEventListener("input", () => looks.length && showLook(Number(look.value)));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    delete form.dataset.levels;
    await draw(session, flow);
    form.dataset.levels = JSON.stringify(looks.at(-1).levels);
    button.disabled = false;
  });
  button.disabled = false;
  form.requestSubmit(button);
}

start().catch((error) => {
  status.value = `The model cannot run here: ${error.message}`;
});
