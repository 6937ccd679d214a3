// The server's words: pipelines, answers, statistics. Every error is an Error with one clear message.

let token = sessionStorage.getItem("token") ?? "";

async function ask(path, options = {}, again = true) {
  const headers = { Accept: "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Error("The server does not answer. Is it still running?");
  }
  if (answer.status === 401 && again) {
    token = await askForToken();
    return ask(path, options, false);
  }
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  throw new Error(said.error ?? `The server answered ${answer.status} ${answer.statusText}.`);
}

function askForToken() {
  const dialog = document.querySelector("#token");
  dialog.showModal();
  return new Promise(done => dialog.addEventListener("close", () => {
    const value = dialog.querySelector("input").value.trim();
    sessionStorage.setItem("token", value);
    done(value);
  }, { once: true }));
}

export async function readPipelines() {
  return (await (await ask("v1/pipelines")).json()).pipelines;
}

export async function isReady() {
  try {
    return (await fetch("v2/health/ready")).ok;
  } catch {
    return false;
  }
}

/** Counters of a pipeline's steps: [{name, requests, queue, work}], times in milliseconds. */
function readStatistics(pipeline) {
  return Promise.all(pipeline.steps.map(async name => {
    const said = await ask(`v2/models/${encodeURIComponent(name)}/stats`).then(answer => answer.json()).catch(() => null);
    const stats = said?.model_stats[0].inference_stats ?? {}, ms = part => Number(stats[part]?.ns ?? 0) / 1e6;
    const work = ms("compute_input") + ms("compute_infer") + ms("compute_output");
    return { name, requests: Number(stats.success?.count ?? 0), queue: ms("queue"), work };
  }));
}

/** What the steps did since some counters were read; they tell a moment after an answer. */
async function stepsSince(pipeline, before) {
  let steps = [];
  for (let tries = 0; tries < 10; tries++) {
    const after = await readStatistics(pipeline);
    steps = after.flatMap((now, index) => {
      const old = before[index], count = now.requests - old.requests;
      const mean = part => (now[part] - old[part]) / count;
      return count > 0 ? [{ name: now.name, count, queue: mean("queue"), work: mean("work") }] : [];
    });
    if (steps.length === pipeline.steps.length) return steps;
    await new Promise(done => setTimeout(done, 200));
  }
  return steps;
}

/** Send a form; returns what the server said. */
export async function post(pipeline, form, signal) {
  const wanted = pipeline.outputs.filter(one => one.output !== "overlay").map(one => one.output);
  const path = `${pipeline.url.replace(/^\//, "")}?output=${wanted.join(",")}`;
  return (await ask(path, { method: "POST", body: form, signal })).json();
}

/** Send a form; returns the answer, the time it took and a promise of the time of every step inside. */
export async function predict(pipeline, form) {
  const before = await readStatistics(pipeline);
  const began = performance.now();
  const said = await post(pipeline, form);
  const total = performance.now() - began;
  return { said, total, steps: stepsSince(pipeline, before) };
}

/** The bytes of a base64 text. */
export const bytesOf = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
