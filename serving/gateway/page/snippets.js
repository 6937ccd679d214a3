// The same question from a shell and from Python.

import { make } from "./dom.js";

const VERBS = { segmentation: "segment", translation: "translate", classification: "classify" };

function curl(pipeline, names, numbers) {
  const parts = [...names].map(([field, name]) => `-F ${field}=@${quote(name)}`);
  parts.push(...[...numbers].map(([field, value]) => `-F ${field}=${value}`));
  return `curl ${parts.join(" \\\n     ")} \\\n     ${location.origin}${pipeline.url}`;
}

function python(pipeline, names, numbers) {
  const before = { translation: field => `"${field}": `, segmentation: field => `${field}=` }[pipeline.task] ?? (() => "");
  const files = [...names].map(([field, name]) => before(field) + JSON.stringify(name));
  const given = pipeline.task === "translation" ? [`{${files.join(", ")}}`] : files;
  given.push(...[...numbers].map(([field, value]) => `${field}=${value}`), `pipeline=${JSON.stringify(pipeline.name)}`);
  return `from crosswire.clients import Predictor

with Predictor("${location.origin}") as predictor:
    result = predictor.${VERBS[pipeline.task] ?? "ask"}(
        ${given.join(",\n        ")},
    )`;
}

export const quote = name => (/^[\w.-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`);

/** Show both for the files that are chosen, fields without one get a placeholder; or the command that plays a recording. */
export function showSnippets(place, pipeline, inputs, command = "") {
  const names = new Map(), numbers = new Map();
  for (const field of pipeline.inputs) {
    const chosen = inputs.files.get(field.field)?.name;
    if (field.kind === "file" && (chosen || !field.optional)) names.set(field.field, chosen ?? "FILE");
  }
  for (const [name, input] of inputs.numbers) if (input.value !== "") numbers.set(name, input.value);
  const both = { curl: curl(pipeline, names, numbers), Python: python(pipeline, names, numbers) };
  const texts = command ? { shell: command } : both;
  const chosen = place.dataset.chosen in texts ? place.dataset.chosen : Object.keys(texts)[0];
  const code = make("pre", { id: "snippet", tabIndex: 0 }, texts[chosen]);
  code.setAttribute("role", "tabpanel");
  const tabs = Object.keys(texts).map(name => {
    const tab = make("button", { type: "button", role: "tab", ariaSelected: String(name === chosen) }, name);
    tab.addEventListener("click", () => {
      place.dataset.chosen = name;
      showSnippets(place, pipeline, inputs, command);
      place.querySelector("[aria-selected=true]").focus();
    });
    return tab;
  });
  const copy = make("button", { type: "button", className: "copy" }, "Copy");
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(texts[chosen]);
    copy.textContent = "Copied";
    setTimeout(() => { copy.textContent = "Copy"; }, 1500);
  });
  const list = make("div", { role: "tablist" }, ...tabs, copy);
  list.addEventListener("keydown", event => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    tabs.find(tab => tab.ariaSelected === "false")?.click();
  });
  place.replaceChildren(make("h2", {}, "The same from a program"), list, code);
}
