/** The style of our pages: light and dark, from a telephone to a wall. */
export const style = `
:root {
  color-scheme: light dark;
  --page: #f6f6f4; --card: #ffffff; --line: #dcdcd6; --grid: #e9e9e4;
  --text: #1c1c1a; --quiet: #585853;
  --s1: #1f6fd0; --s2: #b0500f; --s3: #0c7f5a; --s4: #7b4bc4;
  --tint: #1f6fd0; --warn: #fdf1dc; --warn-line: #c98a1b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #131312; --card: #1c1c1b; --line: #393936; --grid: #2b2b29;
    --text: #ededea; --quiet: #b1b1aa;
    --s1: #69a8f7; --s2: #f0955a; --s3: #45c795; --s4: #b795f2;
    --tint: #4c8fe6; --warn: #33290f; --warn-line: #c98a1b;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 16px/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif;
  -webkit-text-size-adjust: 100%;
}
header, main { max-width: 1120px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 36px; }
h1 { font-size: clamp(1.5rem, 4vw, 2.1rem); line-height: 1.2; margin: 0 0 6px; letter-spacing: -.01em; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 0 0 4px; }
h3 { font-size: 1rem; margin: 20px 0 4px; }
p { margin: 0 0 12px; max-width: 72ch; }
a { color: var(--s1); }
.quiet { color: var(--quiet); font-size: .93rem; }
.caption { color: var(--quiet); font-size: .92rem; margin: 14px 0 0; }
nav { display: flex; flex-wrap: wrap; gap: 6px 18px; padding: 12px 0 16px; }
nav a { text-decoration: none; padding: 2px 0; }
nav a:hover { text-decoration: underline; }
section {
  background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 22px 24px; margin: 0 0 18px; scroll-margin-top: 12px;
}
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 14px 0; padding: 0; }
.tile { border: 1px solid var(--line); border-radius: 10px; padding: 12px 14px; margin: 0; }
.tile dt { color: var(--quiet); font-size: .88rem; }
.tile dd { margin: 0; font-size: .85rem; color: var(--quiet); }
.tile dd.value { font-size: 1.75rem; line-height: 1.25; font-weight: 600; color: var(--text); font-variant-numeric: tabular-nums; }
.note { background: var(--warn); border-left: 4px solid var(--warn-line); border-radius: 6px; padding: 10px 14px; margin: 12px 0; max-width: none; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 18px 28px; }
.scroll { overflow-x: auto; margin: 4px 0 10px; border-radius: 6px; }
.scroll:focus-visible, summary:focus-visible, a:focus-visible { outline: 2px solid var(--s1); outline-offset: 2px; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; min-width: min(100%, 420px); }
th, td { padding: 6px 12px 6px 0; text-align: left; border-bottom: 1px solid var(--grid); vertical-align: baseline; }
thead th { color: var(--quiet); font-weight: 500; white-space: normal; overflow-wrap: break-word; max-width: 20ch; vertical-align: bottom; }
tbody th { font-weight: 500; overflow-wrap: break-word; max-width: min(34ch, 40vw); position: sticky; left: 0; background: var(--card); }
.n { text-align: right; padding-left: 12px; white-space: nowrap; }
thead th.n { white-space: normal; }
.best { font-weight: 700; }
.bar { display: inline-block; min-width: 92px; padding: 1px 6px; border-radius: 4px; text-align: right;
  background: linear-gradient(to right, color-mix(in srgb, var(--tint) 30%, var(--card)) calc(var(--share) * 100%), var(--grid) 0); }
.matrix td, .matrix thead th + th { text-align: center; padding: 6px 8px; min-width: 52px; }
.matrix td { background: color-mix(in srgb, var(--tint) calc(var(--share) * 52%), var(--card)); border: 2px solid var(--card); border-radius: 6px; }
.matrix td.right { font-weight: 700; }
.matrix td.none { color: var(--quiet); background: none; }
.matrix td small { display: block; color: inherit; font-weight: 400; font-size: .78rem; }
.chart { margin: 12px 0 0; min-width: 0; }
figcaption { font-weight: 500; margin-bottom: 4px; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--quiet); font: 12.5px system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif; font-variant-numeric: tabular-nums; }
svg .grid { stroke: var(--grid); }
svg .mark { stroke: var(--quiet); stroke-dasharray: 3 4; }
svg .line { fill: none; stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round; }
svg .s1 { stroke: var(--s1); } svg .s2 { stroke: var(--s2); } svg .s3 { stroke: var(--s3); } svg .s4 { stroke: var(--s4); }
svg .s2.line { stroke-dasharray: 7 4; } svg .s3.line { stroke-dasharray: 2 4; } svg .s4.line { stroke-dasharray: 9 3 2 3; }
svg .faint.line { stroke-width: 1.2; opacity: .55; stroke-dasharray: none; }
svg .dot { fill: var(--card); stroke-width: 2; }
svg .column { fill: var(--s1); } svg .gap { fill: none; stroke: var(--s2); stroke-width: 1.5; } svg .rows { fill: var(--quiet); opacity: .45; }
svg .diagonal { stroke: var(--quiet); stroke-dasharray: 4 4; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 16px; padding: 0; margin: 6px 0; font-size: .88rem; }
.legend .key { display: inline-block; width: 22px; border-top: 3px solid; margin-right: 6px; vertical-align: middle; }
.key.s1 { border-color: var(--s1); } .key.s2 { border-color: var(--s2); border-top-style: dashed; }
.key.s3 { border-color: var(--s3); border-top-style: dotted; } .key.s4 { border-color: var(--s4); border-top-style: dashed; }
.key.faint { opacity: .55; border-top-width: 1px; border-top-style: solid; }
details { margin: 8px 0; font-size: .93rem; }
summary { cursor: pointer; color: var(--quiet); border-radius: 4px; }
.mistakes { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 235px), 1fr)); gap: 14px; padding: 0; margin: 14px 0 0; list-style: none; }
.mistakes li { border: 1px solid var(--line); border-radius: 10px; overflow: hidden; display: flex; flex-direction: column; }
.mistakes .picture { height: 150px; background: var(--grid); display: flex; align-items: center; justify-content: center; color: var(--quiet); font-size: .88rem; }
.mistakes img { width: 100%; height: 100%; object-fit: contain; }
.mistakes .words { padding: 12px 14px; display: flex; flex-direction: column; gap: 8px; font-size: .92rem; flex: 1; }
.mistakes blockquote { margin: 0; overflow-wrap: anywhere; }
.mistakes .row { margin-top: auto; color: var(--quiet); font-size: .82rem; overflow-wrap: anywhere; }
.options { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); gap: 0 32px; margin: 8px 0 14px; font-size: .92rem; }
.options div { display: flex; justify-content: space-between; gap: 12px; border-bottom: 1px solid var(--grid); padding: 5px 0; }
.options dt { color: var(--quiet); } .options dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
pre { background: var(--page); border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px; margin: 8px 0; white-space: pre-wrap; overflow-wrap: anywhere; font: .88rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; }
code { font: .92em ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; overflow-wrap: anywhere; }
@media (max-width: 560px) {
  header, main { padding: 0 12px; } header { padding-top: 22px; }
  section { padding: 16px 14px; border-radius: 10px; }
  .tiles { grid-template-columns: repeat(2, 1fr); gap: 8px; } .tile { padding: 10px 11px; } .tile dd.value { font-size: 1.4rem; }
  th, td { padding-right: 8px; } .n { padding-left: 4px; } .bar { min-width: 60px; }
}
@media print { body { background: none; } section { break-inside: avoid; } nav { display: none; } }
`;
