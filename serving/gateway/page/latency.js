// Where the time went: the whole round trip, and every step by the server's own counters.

import { bars, make } from "./dom.js";

const text = ms => (ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`);

export function showLatency(pipeline, total, own) {
  const short = name => (name === pipeline.network ? "network" : name.replace(`${pipeline.network}_`, ""));
  const rows = [{ name: "round trip", parts: [{ share: 1, kind: "rest" }], text: text(total) }];
  for (const step of own) {
    const parts = [{ share: Math.min(step.queue / total, 1), kind: "wait" }, { share: Math.min(step.work / total, 1) }];
    rows.push({ name: short(step.name), parts, text: text(step.queue + step.work) });
  }
  const spent = own.reduce((sum, step) => sum + step.queue + step.work, 0);
  if (own.length && spent < total) {
    rows.push({ name: "transfer and gateway", parts: [{ share: (total - spent) / total, kind: "rest" }], text: text(total - spent) });
  }
  const shared = own.some(step => step.count > 1) ? " Others asked meanwhile: the steps are means." : "";
  return make("section", { className: "card pad", id: "latency", ariaLabel: "Latency" }, make("h2", {}, "Latency"), bars(rows),
    make("p", { className: "key" }, `The steps are what the server counted; pale is waiting.${shared}`));
}
