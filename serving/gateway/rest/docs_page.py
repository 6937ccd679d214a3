"""The page at `/docs`: every pipeline as a form to try, with the command that does the same. It loads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from crosswire.serving.gateway.rest.forms import Field, Form

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1b1f24 }
form { border: 1px solid #c8ccd1; border-radius: 8px; padding: 1rem; margin: 1rem 0 }
label { display: block; margin: .5rem 0 } small { color: #57606a }
pre { background: #f3f4f6; padding: .75rem; border-radius: 6px; overflow-x: auto }
img { max-width: 100%; display: block; margin-top: 1rem }
.class { display: inline-block; padding: 0 .5rem; margin: 0 .25rem .25rem 0; border-radius: 4px }
"""
_SCRIPT = """
for (const form of document.forms) form.addEventListener("submit", async event => {
  event.preventDefault();
  const body = new FormData(form), output = body.get("?output"), out = form.querySelector("output");
  body.delete("?output");
  for (const field of form.querySelectorAll("[data-optional]")) if (!field.value) body.delete(field.name);
  out.textContent = "…";
  const png = form.dataset.images.split(" ").includes(output);
  const answer = await fetch(form.action + "?output=" + output,
    { method: "POST", body, headers: { Accept: png ? "image/png" : "application/json" } });
  if (answer.ok && png) {
    const image = new Image();
    image.src = URL.createObjectURL(await answer.blob());
    out.replaceChildren(image);
  } else {
    const text = document.createElement("pre");
    text.textContent = JSON.stringify(await answer.json(), null, 2);
    out.replaceChildren(text);
  }
});
"""
_NEUTRAL = (220, 226, 232)
POLICY = "default-src 'none'; connect-src 'self'; img-src blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def docs_page(forms: Sequence[Form], base: str) -> str:
    """Return the page.

    Args:
        forms: the pipelines.
        base: where the server is, `http://HOST:PORT`.
    """
    sections = "".join(_section(form, base) for form in forms)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Crosswire</title><style>{_STYLE}</style>'
        "<h1>Crosswire</h1><p>Pictures in, pictures out. The same paths for programs: "
        '<a href="/openapi.json">OpenAPI</a>, <a href="/v1/pipelines">pipelines</a>, <a href="/metrics">metrics</a>, '
        f"KServe v2 at <code>/v2</code>.</p>{sections}<script>{_SCRIPT}</script></html>"
    )


def _section(form: Form, base: str) -> str:
    """Return one pipeline's part of the page."""
    name = escape(form.pipeline)
    options = "".join(f"<option>{escape(output)}</option>" for output in (*form.images, *form.texts))
    classes = form.description.classes
    colours = zip(classes, form.description.palette or [_NEUTRAL] * len(classes), strict=True)
    files = form.example
    url = escape(f"{base}/v1/pipelines/{form.pipeline}")
    return (
        f"<h2>{name}</h2><p>{''.join(_swatch(*pair) for pair in colours)}</p>"
        f'<form action="/v1/pipelines/{name}" data-images="{" ".join(map(escape, form.images))}">'
        f"{''.join(map(_entry, form.fields.values()))}"
        f'<label>answer <select name="?output">{options}</select></label><button>Send</button><output></output></form>'
        f"<pre>curl {escape(files)} {url}\ncurl {escape(files)} -H 'Accept: image/png' -o {form.images[0]}.png {url}"
        "</pre>"
    )


def _entry(field: Field) -> str:
    """Return one part of a form."""
    kind = 'type="number" step="any"' if field.kind == "number" else 'type="file"'
    need = "data-optional" if field.optional else "required"
    name = escape(field.name)
    return f'<label>{name} <input name="{name}" {kind} {need}> <small>{escape(field.unit)}</small></label>'


def _swatch(name: str, colour: Sequence[int]) -> str:
    """Return a class name on its colour."""
    red, green, blue = map(int, colour)
    ink = "#000" if 0.3 * red + 0.59 * green + 0.11 * blue > 128 else "#fff"
    return f'<span class="class" style="background:rgb({red},{green},{blue});color:{ink}">{escape(name)}</span>'
