// Making elements: make("p", { className: "soft" }, "text", child).

export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in element) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

export const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;

/** An image in a frame with a title and a remark. */
export function panel(title, remark, image, ...more) {
  return make("figure", { className: "panel card" }, image,
    make("figcaption", {}, make("b", {}, title), make("span", {}, remark)), ...more);
}

/** A list of bars: [{name, parts: [{share, kind}], text}]. */
export function bars(rows) {
  return make("dl", { className: "bars" }, ...rows.flatMap(row => [
    make("dt", {}, row.name),
    make("div", { className: "track" }, ...row.parts.map(part => {
      const bar = make("i", { className: part.kind ?? "" });
      bar.style.width = `${100 * part.share}%`;
      return bar;
    })),
    make("dd", {}, row.text),
  ]));
}
