// The page: choose a pipeline, give it files, look at the answer.

import { isReady, predict, readPipelines } from "./api.js";
import { showClip } from "./clip.js";
import { make } from "./dom.js";
import { Inputs } from "./inputs.js";
import { showLatency } from "./latency.js";
import { showImages } from "./images.js";
import { isRecording, Player, playsOn } from "./player.js";
import { Segmentation, showSegmentation } from "./segmentation.js";
import { showSnippets } from "./snippets.js";

const VIEWS = { segmentation: showSegmentation, classification: showClip };
const at = name => document.querySelector(name);
const state = { pipelines: [], pipeline: null, inputs: null, running: 0, player: null };

function complain(text) {
  at("#problem").textContent = text;
  at("#problem").hidden = !text;
}

function choose(name) {
  const pipeline = state.pipelines.find(one => one.name === name);
  state.pipeline = pipeline;
  state.running++;  // an answer that is still to come belongs to another pipeline
  state.inputs = new Inputs(at("#fields"), pipeline, update);
  at("#fields").oninput = showProgram;
  const metric = Object.entries(pipeline.metrics ?? {}).find(([name, value]) => value > 0 && value <= 1 && /iou|accuracy|score/i.test(name));
  const words = [pipeline.task, pipeline.data && pipeline.data !== "none" && `trained on ${pipeline.data}`,
    metric && `${metric[0].replaceAll("_", " ")} ${metric[1].toFixed(3)}`, pipeline.classes?.length && `${pipeline.classes.length} classes`];
  at("#about").textContent = words.filter(Boolean).join(" · ");
  complain("");
  at("#answer").hidden = true;
  at("#empty").hidden = false;
  at("#results").ariaBusy = "false";
  showSamples();
  showRecordings();
  const file = state.player?.file;
  state.player?.close();
  state.player = null;
  update();
  if (file && playsOn(pipeline)) play(file);
}

/** Where a recording is chosen, for pipelines that answer its frames. */
function showRecordings() {
  const input = make("input", { type: "file", id: "file-recording", accept: ".bag,.mcap,.mkv", "aria-label": "recording: .bag, .mcap or .mkv" });
  const zone = make("div", { className: "drop plain" }, make("b", {}, "recording"), make("small", {}, ".bag, .mcap or .mkv, played frame by frame"), input);
  input.addEventListener("change", () => { if (input.files[0]) play(input.files[0]); input.value = ""; });
  at("#recordings").replaceChildren(...(playsOn(state.pipeline) ? [zone] : []));
}

/** Play a recording in the place of single files. */
async function play(file) {
  const { pipeline } = state, mine = ++state.running;
  state.player?.close();
  complain("");
  update();  // a request that is forgotten leaves its button as it is
  at("#results").ariaBusy = "false";
  at("#results").ariaLive = "off";  // frames follow each other faster than they are read out
  at("#answer").hidden = true;
  at("#empty").hidden = true;
  const moving = pipeline.task === "segmentation" ? new Segmentation(pipeline) : null;
  const show = async answer => {
    if (mine !== state.running) return;
    complain("");
    const still = moving ? await moving.update(answer) : await (VIEWS[pipeline.task] ?? showImages)(answer);
    if (mine !== state.running) return;
    const parts = still ?? moving.parts;
    if (at("#answer").firstChild !== parts[0]) at("#answer").replaceChildren(...parts);
    at("#answer").hidden = false;
  };
  const closed = () => {
    state.running++;
    state.player = null;
    at("#answer").hidden = true;
    at("#empty").hidden = false;
    showProgram();
  };
  state.player = new Player(at("#player"), { file, pipeline, show, complain, ready: showProgram, closed });
  await state.player.open();
}

const takesClip = pipeline => pipeline.inputs.some(one => one.field === "clip");

function update() {
  at("#run").disabled = !state.inputs.complete;
  showProgram();
}

const showProgram = () => showSnippets(at("#snippets"), state.pipeline, state.inputs, state.player?.command);

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
  state.player?.close();
  state.player = null;
  complain("");
  at("#results").ariaLive = "polite";
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
  addEventListener("drop", event => {
    const file = [...event.dataTransfer.files].find(one => isRecording(one.name));
    if (!file || !state.pipeline || takesClip(state.pipeline)) return;
    event.preventDefault();
    event.stopPropagation();  // wherever it fell
    document.body.classList.remove("dragging");
    play(file);
  }, { capture: true });
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
