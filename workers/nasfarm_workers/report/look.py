"""How a report looks, in light and dark, on a phone, a desk and paper: one style sheet. Pure."""

STYLE = """
:root { color-scheme: light dark; --ground: #fcfcfb; --text: #1b2025; --soft: #5a636c;
  --line: #dce0e3; --hair: #eceef0; --link: #17569b; --bad: #a8231b; --warm: #b9872b;
  --over: rgb(23 86 155 / .1);
  --c0: #7a838b; --c1: #1f66b0; --c2: #b85c00; --c3: #1b7f54; --c4: #7a4cb8; --c5: #b8325a;
  --c6: #756400; --b0: #d0d6db; --b1: #55aaff; --b2: #ffa64d; --b3: #3ddc97; --b4: #c8a1ff;
  --b5: #ff7f9f; --b6: #ffe066;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "PingFang SC",
    "Microsoft YaHei", "Noto Sans CJK SC", "WenQuanYi Micro Hei", sans-serif; }
@media screen and (prefers-color-scheme: dark) { :root { --ground: #14171a; --text: #e6e9eb;
  --soft: #a3adb5; --line: #343b41; --hair: #22272b; --link: #8cc1f8; --bad: #ff9f96;
  --warm: #d9ad5e; --over: rgb(140 193 248 / .14); --c0: #8e979f; --c1: #55aaff; --c2: #ffa64d;
  --c3: #3ddc97; --c4: #c8a1ff; --c5: #ff7f9f; --c6: #ffe066; } }
.c0 { --c: var(--c0); --b: var(--b0) } .c1 { --c: var(--c1); --b: var(--b1) }
.c2 { --c: var(--c2); --b: var(--b2) } .c3 { --c: var(--c3); --b: var(--b3) }
.c4 { --c: var(--c4); --b: var(--b4) } .c5 { --c: var(--c5); --b: var(--b5) }
.c6 { --c: var(--c6); --b: var(--b6) }
.page { --en: inline; --zh: none; --at-en: currentColor; --at-zh: transparent }
#zh:checked ~ .page, #reader.zh ~ #en:not(:checked) ~ .page { --en: none; --zh: inline;
  --at-en: transparent; --at-zh: currentColor }
span[lang=en] { display: var(--en) } span[lang=zh] { display: var(--zh) }

* { box-sizing: border-box }
body { margin: 0; background: var(--ground); color: var(--text); overflow-wrap: break-word;
  -webkit-text-size-adjust: 100% }
h1, h2, p, ul, ol, dl, dd, figure { margin: 0; padding: 0 }
ul, ol { list-style: none }
#reader { position: absolute }
.off { position: absolute; opacity: 0; width: 1px; height: 1px; overflow: hidden; margin: 0;
  clip-path: inset(50%); white-space: nowrap }
a { color: var(--link); text-underline-offset: .15em }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 3px }
code { font: .875em ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", Menlo, monospace;
  overflow-wrap: anywhere }
bdi { overflow-wrap: anywhere }
.soft { color: var(--soft); font-size: .875rem; font-weight: 400 }
.bad { color: var(--bad) } .bad a { color: inherit; margin-left: .35em }

.page { max-width: 64rem; margin: 0 auto; padding: 0 1.25rem 4rem }
header { display: flex; justify-content: space-between; align-items: center; padding: 1rem 0 0;
  font-size: .875rem; color: var(--soft) }
.brand { font-weight: 600; letter-spacing: .01em }
.languages { display: flex; gap: .9rem }
.languages label { cursor: pointer; padding: .35rem 0 .1rem; border-bottom: 2px solid transparent }
.languages label:hover { color: var(--text) }
.to-en { border-color: var(--at-en) !important } .to-zh { border-color: var(--at-zh) !important }
#en:focus-visible ~ .page .to-en, #zh:focus-visible ~ .page .to-zh {
  outline: 3px solid var(--link); outline-offset: 3px; border-radius: 2px }
h1 { font-size: clamp(1.75rem, 5vw, 2.5rem); line-height: 1.15; letter-spacing: -.015em;
  font-weight: 650; margin-top: clamp(1.5rem, 5vw, 3rem) }
.lede { color: var(--soft); margin-top: .5rem; font-size: 1.0625rem }
.lede + .bad { margin-top: .35rem }
h2 { font-size: 1.1875rem; line-height: 1.3; font-weight: 650; letter-spacing: -.005em }
.chart h2 { font-size: 1rem; font-weight: 600 }
section, .scene { margin-top: clamp(2.5rem, 6vw, 3.75rem) }
section > h2 { margin-bottom: .9rem }

.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(9.5rem, 44%), 1fr));
  gap: 1.5rem 2rem; margin-top: clamp(1.75rem, 4vw, 2.5rem) }
.figures div { display: flex; flex-direction: column-reverse; justify-content: flex-end }
.figures dt { color: var(--soft); font-size: .9375rem }
.figures dd { font-size: clamp(1.75rem, 4.5vw, 2.375rem); line-height: 1.2; font-weight: 600;
  letter-spacing: -.02em; font-variant-numeric: tabular-nums }
.notes { margin-top: 1.75rem; padding-left: .9rem; border-left: 3px solid var(--warm);
  color: var(--soft); display: grid; gap: .3rem; max-width: 46rem }

.scroll { overflow-x: auto; margin: .5rem 0 }
table { border-collapse: collapse; font-size: .9375rem; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .4rem 1.5rem .4rem 0; border-bottom: 1px solid var(--hair);
  vertical-align: baseline; white-space: nowrap; font-weight: 400 }
thead th { color: var(--soft); font-size: .875rem; border-color: var(--line) }
thead td { border-color: var(--line) }
.n { text-align: right } .facts tbody th { font-weight: 600 }
.facts { display: flex; flex-wrap: wrap; gap: .75rem 3rem; margin-top: 1.25rem }

.seen { display: block; position: relative; aspect-ratio: var(--r); background: var(--hair);
  border-radius: 6px; overflow: hidden; color: #10161b; isolation: isolate }
.seen img, .seen svg { position: absolute; inset: 0; width: 100%; height: 100%; display: block }
.seen svg * { fill: none; stroke: var(--b, #fff); stroke-width: 2;
  vector-effect: non-scaling-stroke; stroke-linejoin: round; stroke-linecap: round }
.seen svg .rim { stroke: rgb(0 0 0 / .45); stroke-width: 4 }
.seen .none { position: absolute; inset: 0; display: grid; place-content: center; padding: 1rem;
  text-align: center; color: var(--soft); font-size: .875rem }
.scene figcaption { margin-bottom: .9rem } .scene figcaption p { margin-top: .2rem }
.scene .seen { max-width: min(100%, calc(78vh * var(--r))); margin: 0 auto }
.scene svg polygon { fill: var(--b); fill-opacity: .13; stroke-dasharray: 7 4 }
.scene svg .ink { stroke: #fff; stroke-width: 3 } .scene svg .rim { stroke-width: 6 }
.names b { position: absolute; transform: translate(-50%, -50%); padding: .1em .5em;
  border-radius: 1em; background: rgb(16 22 27 / .72); color: #fff; font-size: .8125rem;
  font-weight: 600; max-width: 40%; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }

.charts { display: grid; gap: 2.75rem 3.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)) }
.chart { min-width: 0 } .chart.wide { grid-column: 1 / -1 }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; margin-top: .2rem; font-size: .875rem;
  color: var(--soft) }
.legend li::before { content: ""; display: inline-block; width: .65em; height: .65em;
  margin-right: .45em; border-radius: 2px; background: var(--c) }
.plot { position: relative; height: clamp(9rem, 24vw, 14rem); margin: 1rem 1.4rem 1.9rem 2.9rem;
  font-size: .8125rem; color: var(--soft); font-variant-numeric: tabular-nums }
.plot svg { position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible }
.plot .grid, .plot .base { stroke: var(--hair); stroke-width: 1; vector-effect: non-scaling-stroke }
.plot .base { stroke: var(--line) }
.plot rect { fill: var(--c) } .plot .area { fill: var(--c); opacity: .13 }
.plot .line, .plot .stem { fill: none; stroke: var(--c); stroke-width: 2; stroke-linejoin: round;
  vector-effect: non-scaling-stroke }
.plot .stem { stroke-width: 3 }
.plot .y { position: absolute; right: calc(100% + .55rem); transform: translateY(50%) }
.plot .x { position: absolute; top: calc(100% + .35rem); transform: translateX(-50%);
  white-space: nowrap }
.plot i { position: absolute; top: 0; bottom: 0 } .plot i:hover { background: var(--over) }
.plot i b { display: none; position: absolute; bottom: calc(100% + .25rem); left: 0; z-index: 1;
  width: max-content; max-width: min(20rem, 58vw); padding: .3rem .6rem; border-radius: 6px;
  background: var(--text); color: var(--ground); font-style: normal; font-weight: 500 }
.plot i b.late { left: auto; right: 0 } .plot i:hover b { display: block }
.bars { margin-top: .8rem; font-size: .9375rem }
.bars li { display: grid; grid-template-columns: minmax(5rem, 9.5rem) minmax(0, 1fr); gap: .9rem;
  align-items: center; padding: .26rem 0 }
.bars .bar { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: .6rem;
  align-items: center; color: var(--soft); font-variant-numeric: tabular-nums; font-size: .875rem }
.bars .bar > span { min-width: 3.2rem } .bars svg { width: 100%; height: .8rem; display: block }
.bars rect { fill: var(--c) }

.shots { display: flex; flex-wrap: wrap; gap: 1.5rem 1rem }
.shots figure { --h: 9rem; flex: calc(var(--r) * 100) 1 calc(var(--r) * var(--h)); min-width: 0;
  max-width: calc(var(--r) * var(--h) * 1.25) }
.shot { display: block; position: relative; aspect-ratio: var(--r); cursor: zoom-in }
.shot input { position: absolute; opacity: 0; inset: 0; margin: 0; pointer-events: none }
.shot input:focus-visible ~ .seen { outline: 3px solid var(--link); outline-offset: 2px }
.chips b { position: absolute; transform: translateY(-100%); padding: .05rem .3rem;
  border-radius: 3px 3px 3px 0; background: var(--b); font-size: .6875rem; line-height: 1.35;
  font-weight: 600; white-space: nowrap }
.chips b.low { transform: none; border-radius: 0 0 3px 0 }
.chips small { font-size: 1em; opacity: .7; display: none } .many .chips { display: none }
.shots figcaption { display: grid; gap: 0; margin-top: .4rem; font-size: .8125rem; line-height: 1.4;
  color: var(--soft) }
.shots figcaption strong { color: var(--text); font-weight: 600; font-size: .875rem }
.shots figcaption .name { display: block; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; direction: rtl; text-align: left }
.shot input:checked ~ .seen { position: fixed; z-index: 9; inset: 0; margin: auto; cursor: zoom-out;
  width: min(96vw, calc(92vh * var(--r))); height: fit-content; border-radius: 0;
  box-shadow: 0 0 0 100vmax rgb(10 12 14 / .9); overflow: visible }
.shot input:checked ~ .seen .chips { display: block }
.shot input:checked ~ .seen small { display: inline }

details { border-top: 1px solid var(--line) }
details:last-child { border-bottom: 1px solid var(--line) }
summary { cursor: pointer; padding: .65rem 0 .65rem 1.25rem; font-weight: 600; list-style: none;
  position: relative }
summary::-webkit-details-marker { display: none }
summary::before { content: ""; position: absolute; left: .15rem; top: 1.1rem; width: .42rem;
  height: .42rem; border: solid var(--soft); border-width: 0 2px 2px 0; transform: rotate(-45deg) }
[open] > summary::before { transform: rotate(45deg); top: 1rem }
summary .soft { margin-left: .4rem } summary .reason { display: block; font-weight: 400;
  color: var(--soft); font-size: .9375rem }
details > :not(summary) { margin-left: 1.25rem } details > p { padding-bottom: .9rem }
.files { font-size: .9375rem; padding-bottom: .9rem; display: grid; gap: .25rem }
.asked { display: grid; gap: .5rem }
.asked div { display: grid; grid-template-columns: 8.5rem minmax(0, 1fr); gap: 1rem }
.asked dt { color: var(--soft) } .asked dd { overflow-wrap: anywhere }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft);
  font-size: .875rem }

@media (max-width: 40rem) {
  .shots figure { --h: 6.6rem } .shots { gap: 1.1rem .75rem } .plot .odd { display: none }
  .asked div { grid-template-columns: 1fr; gap: 0 } .bars li { grid-template-columns: 6rem 1fr }
  th, td { padding-right: 1.1rem }
}
@media print {
  :root { font-size: 12px; color-scheme: light } .languages, .plot i { display: none }
  .page { max-width: none; padding: 0 } figure, tr { break-inside: avoid }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact }
  details::details-content { content-visibility: visible; block-size: auto }
}
"""
