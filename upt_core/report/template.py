"""The pages' frames and their style sheet."""

from __future__ import annotations

CSS = """
:root { color-scheme: light dark; --page: #f4f6f8; --card: #ffffff; --ink: #1d2329; --soft: #57616b; --line: #dde2e7;
  --accent: #0072b2; --second: #d55e00; }
@media (prefers-color-scheme: dark) { :root { --page: #0f1216; --card: #171b20; --ink: #e4e8ec; --soft: #9aa4ae;
  --line: #2b323a; --accent: #5ab4f0; --second: #f08a4b; } }
* { box-sizing: border-box; }
body { margin: 0; overflow-wrap: anywhere; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: clamp(1rem, 4vw, 3rem) clamp(0.75rem, 3vw, 2rem); }
h1 { font-size: clamp(1.3rem, 4vw, 1.9rem); line-height: 1.2; margin: 0; }
h2 { font-size: 1.05rem; margin: 0 0 0.75rem; }
.status { color: var(--soft); margin: 0.35rem 0 1.75rem; }
section, details { background: var(--card); border: 1px solid var(--line); border-radius: 0.6rem;
  padding: clamp(0.9rem, 2.5vw, 1.5rem); margin: 0 0 1.25rem; }
section > :last-child { margin-bottom: 0; }
figure { margin: 0; overflow-x: auto; }
img { display: block; max-width: 100%; height: auto; }
@media (max-width: 40rem) { figure > picture > img { width: 100%; } }
figcaption { max-width: 48rem; margin-top: 0.75rem; color: var(--soft);
  font-size: 0.875rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.35rem 1.5rem 0.35rem 0; text-align: left; vertical-align: top; }
.results td, .results thead th { text-align: right; white-space: nowrap; }
.results thead th { color: var(--soft); font-weight: 500; border-bottom: 1px solid var(--line); }
.results thead td { border-bottom: 1px solid var(--line); }
.results tbody th { font-weight: 500; }
.results .ahead th, .results .ahead td, .results .ahead { font-weight: 650; }
.verdict { font-size: 1.25rem; line-height: 1.35; font-weight: 600; margin: 0 0 0.75rem; padding-left: 0.75rem;
  border-left: 0.3rem solid var(--line); }
.verdict.better { border-color: var(--accent); }
.verdict.worse, .verdict.even { border-color: var(--second); }
a { color: var(--accent); }
@media (max-width: 40rem) { .results td, .results th { padding-right: 0.75rem; } }
.remarks { margin: 0; padding-left: 1.2rem; }
.facts th { color: var(--soft); font-weight: 500; }
.film .controls { display: flex; flex-wrap: wrap; gap: 0.5rem 1.25rem; align-items: center; margin: 0 0 1rem; }
.film .controls label { display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: center; }
.film output { display: inline-block; min-width: 2ch; font-variant-numeric: tabular-nums; }
.film input { width: min(16rem, 60vw); }
.film select, .film button { font: inherit; color: inherit; background: var(--page); border: 1px solid var(--line);
  border-radius: 0.4rem; padding: 0.2rem 0.6rem; }
:focus-visible { outline: 0.15rem solid var(--accent); outline-offset: 0.1rem; }
.film .panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(15rem, 100%), 1fr)); gap: 1rem; }
.film figcaption { margin: 0 0 0.3rem; }
.film figcaption span { color: var(--ink); font-variant-numeric: tabular-nums; }
.film img { width: 100%; image-rendering: pixelated; }
.film img.bar { height: 0.5rem; margin-top: 0.3rem; }
.film svg { width: 100%; height: 13rem; border: 1px solid var(--line); }
.film path { fill: none; stroke-width: 2; vector-effect: non-scaling-stroke; }
.film .truth { stroke: var(--ink); }
.film .prediction { stroke: var(--second); stroke-dasharray: 6 4; }
.film .error { stroke: var(--accent); }
.facts td { padding-right: 0; }
.facts th, .results th { overflow-wrap: normal; }
summary { cursor: pointer; font-weight: 600; font-size: 1.05rem; }
details[open] summary { margin-bottom: 0.75rem; }
pre { margin: 0; overflow-x: auto; font: 0.82rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{css}</style>
</head>
<body><main>
<h1>{title}</h1>
<p class="status">{status}</p>
<section>{verdict}</section>
<section>{results}</section>
{numbers}
{films}
{plots}
<details><summary>Configuration</summary><pre>{config}</pre></details>
<details open><summary>Environment</summary>{environment}</details>
</main><script>{script}</script></body>
</html>
"""

LIVE_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: live</title>
<link rel="icon" href="data:,">
<style>{css}</style>
{refresh}
</head>
<body><main>
<h1>{title}</h1>
{body}
</main>{script}</body>
</html>
"""

LIVE_SCRIPT = """<script>
let version = "{version}";
async function look() {{
  try {{
    const state = await (await fetch("state")).json();
    if (state.version !== version) await renew(state.version);
    const age = document.getElementById("age");
    if (age) age.textContent = state.age;
  }} catch {{
    const age = document.getElementById("age");
    if (age) age.textContent = "upt watch has ended; this page shows the last state";
  }}
  setTimeout(look, {pause});
}}
async function renew(next) {{
  const text = await (await fetch(".")).text();
  const main = document.importNode(new DOMParser().parseFromString(text, "text/html").querySelector("main"), true);
  await Promise.allSettled([...main.querySelectorAll("img")].map(image => image.decode()));
  document.querySelector("main").replaceWith(main);
  version = next;
}}
setTimeout(look, {pause});
</script>"""
