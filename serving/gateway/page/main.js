// The page: choose a pipeline, give it files, look at the answer.

import { isReady, predict, readPipelines } from "./api.js";
import { showClip } from "./clip.js";
import { make } from "./dom.js";
import { Inputs } from "./inputs.js";
import { showLatency } from "./latency.js";
import { showImages } from "./images.js";
import { showSegmentation } from "./segmentation.js";
import { showSnippets } from "./snippets.js";

const VIEWS = { segmentation: showSegmentation, classification: showClip };
const at = name => document.querySelector(name);
const state = { pipelines: [], pipeline: null, inputs: null, running: 0 };

function complain(text) {
  at("#problem").textContent = text;
  at("#problem").hidden = !text;
}

function choose(name) {
  const pipeline = state.pipelines.find(one => one.name === name);
  state.pipeline = pipeline;
  state.running++;  // an answer that is still to come belongs to another pipeline
  state.inputs = new Inputs(at("#fields"), pipeline, update);
  at("#fields").oninput = () => showSnippets(at("#snippets"), pipeline, state.inputs);
  const metric = Object.entries(pipeline.metrics ?? {}).find(([name, value]) => value > 0 && value <= 1 && /iou|accuracy|score/i.test(name));
  const words = [pipeline.task, pipeline.data && pipeline.data !== "none" && `trained on ${pipeline.data}`,
    metric && `${metric[0].replaceAll("_", " ")} ${metric[1].toFixed(3)}`, pipeline.classes?.length && `${pipeline.classes.length} classes`];
  at("#about").textContent = words.filter(Boolean).join(" · ");
  complain("");
  at("#answer").hidden = true;
  at("#empty").hidden = false;
  at("#results").ariaBusy = "false";
  showSamples();
  update();
}

function update() {
  at("#run").disabled = !state.inputs.complete;
  showSnippets(at("#snippets"), state.pipeline, state.inputs);
}

async function showSamples() {
  const all = await (await fetch("page/samples/samples.json")).json();
  const fields = new Set(state.pipeline.inputs.map(one => one.field));
  const fit = all.filter(one => Object.keys(one.files).every(name => fields.has(name)));
  const buttons = fit.map(one => {
    const button = make("button", { type: "button", ariaPressed: "false", title: one.about },
      make("img", { src: `page/samples/${one.picture}`, alt: "" }), make("span", {}, one.name));
    button.addEventListener("click", () => take(one, button));
    return button;
  });
  at("#samples").replaceChildren(...(fit.length ? [make("h2", {}, "Samples"), make("div", {}, ...buttons)] : []));
}

async function take(sample, button) {
  for (const other of at("#samples").querySelectorAll("button")) other.ariaPressed = String(other === button);
  const inputs = state.inputs;
  inputs.setNumbers(sample.numbers ?? {});
  for (const [field, name] of Object.entries(sample.files)) {
    const blob = await (await fetch(`page/samples/${name}`)).blob();
    inputs.set(field, new File([blob], name, { type: blob.type }));
  }
  if (inputs === state.inputs) await run();
}

async function run() {
  const { pipeline } = state, mine = ++state.running, sent = state.inputs.chosen();
  complain("");
  at("#results").ariaBusy = "true";
  at("#run").disabled = true;
  try {
    const answer = await predict(pipeline, sent.form);
    const view = VIEWS[pipeline.task] ?? showImages;
    const parts = await view({ pipeline, said: answer.said, sent });
    if (mine !== state.running) return;
    answer.steps.then(steps => parts.at(-1).append(showLatency(pipeline, answer.total, steps)));
    at("#answer").replaceChildren(...parts);
    at("#answer").hidden = false;
    at("#empty").hidden = true;
  } catch (error) {
    if (mine === state.running) {
      complain(error.message);
      at("#answer").hidden = true;  // it belongs to other files
    }
  } finally {
    if (mine === state.running) {
      at("#results").ariaBusy = "false";
      update();
    }
  }
}

async function watch() {
  const ready = await isReady();
  at("#health").className = ready ? "good" : "bad";
  at("#health span").textContent = ready ? "ready" : "not ready";
  setTimeout(watch, 10000);
}

function listen() {
  at("#controls").addEventListener("submit", event => { event.preventDefault(); run(); });
  at("#pipeline").addEventListener("change", event => choose(event.target.value));
  addEventListener("dragover", event => { event.preventDefault(); document.body.classList.add("dragging"); });
  addEventListener("dragleave", event => event.relatedTarget ?? document.body.classList.remove("dragging"));
  addEventListener("drop", async event => {
    event.preventDefault();
    document.body.classList.remove("dragging");
    const inputs = state.inputs;
    if (!inputs) return;
    await inputs.give([...event.dataTransfer.files]);
    if (inputs === state.inputs && inputs.complete) run();
  });
}

async function start() {
  listen();
  watch();
  try {
    state.pipelines = await readPipelines();
    if (!state.pipelines.length) throw new Error("This server has no pipeline. Start it with an exported network.");
    at("#pipeline").replaceChildren(...state.pipelines.map(one => make("option", { value: one.name }, one.name)));
    choose(state.pipelines[0].name);
  } catch (error) {
    complain(error.message);
  }
}

start();
