// The server's words: pipelines, answers, statistics. Every error is an Error with one clear message.

let token = sessionStorage.getItem("token") ?? "";

async function ask(path, options = {}, again = true) {
  const headers = { Accept: "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch {
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

/** All pipelines, each with the names of the models inside. */
export async function readPipelines() {
  const { pipelines } = await (await ask("v1/pipelines")).json();
  return Promise.all(pipelines.map(async pipeline => {
    const config = await (await ask(`v2/models/${encodeURIComponent(pipeline.name)}/config`)).json();
    return { ...pipeline, steps: (config.ensemble_scheduling?.step ?? []).map(step => step.model_name) };
  }));
}

export async function isReady() {
  try {
    return (await fetch("v2/health/ready")).ok;
  } catch {
    return false;
  }
}

/** Counters of all models: {name: {requests, queue, work}}, times in milliseconds. */
async function readStatistics() {
  const found = {};
  for (const entry of (await (await ask("v2/models/stats")).json()).model_stats) {
    const stats = entry.inference_stats ?? {}, ms = part => Number(stats[part]?.ns ?? 0) / 1e6;
    found[entry.name] = {
      requests: Number(stats.success?.count ?? 0),
      queue: ms("queue"),
      work: ms("compute_input") + ms("compute_infer") + ms("compute_output"),
    };
  }
  return found;
}

/** Send a form; returns the answer, the time it took and the time of every step inside. */
export async function predict(pipeline, form) {
  const wanted = pipeline.outputs.filter(one => one.output !== "overlay").map(one => one.output);
  const before = await readStatistics();
  const began = performance.now();
  const answer = await ask(`${pipeline.url.replace(/^\//, "")}?output=${wanted.join(",")}`, { method: "POST", body: form });
  const said = await answer.json();
  const total = performance.now() - began;
  const after = await readStatistics();
  const steps = Object.entries(after).flatMap(([name, now]) => {
    const old = before[name] ?? { requests: 0, queue: 0, work: 0 }, count = now.requests - old.requests;
    return count > 0 ? [{ name, count, queue: (now.queue - old.queue) / count, work: (now.work - old.work) / count }] : [];
  });
  return { said, total, steps };
}

/** The bytes of a base64 text. */
export const bytesOf = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
