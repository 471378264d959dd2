/** Style sheet of the report: light, dark, phone and print, without any file beside it. */
import {
  gridInk,
  ink,
  middleInk,
  orderedPalette,
  palette,
  paper,
  sequential,
  shade,
  softInk,
} from "./chart-style.ts";

/** Lighter stand-ins of the palettes on a dark ground, in the same order. */
export const darkPalette = [
  "#5db5f4",
  "#ff8f4d",
  "#1fedb0",
  "#e2a3ca",
  "#8fd0f5",
  "#fdbf4c",
  "#b389d5",
  "#b6b1af",
];
export const darkOrdered = [
  "#ffd27a",
  "#ffad7f",
  "#ff94a8",
  "#f87cbf",
  "#b882ea",
  "#b074cd",
  "#1583dc",
  "#6e70a2",
];

/** Few to many on a dark ground: dark to light. */
export const darkSequential = [
  "#2f4f73",
  "#3b678f",
  "#4a82b3",
  "#639fd3",
  "#86bbe8",
  "#b5d7f6",
  "#eaf5ff",
];

/** What words are drawn with on a dark ground, and on its cells. */
export const darkInks: readonly (readonly [string, string])[] = [
  [ink, "#ececec"],
  [middleInk, "#050607"],
  [paper, "#14161a"],
];

/** Charts are drawn for paper; on a dark screen each colour is exchanged for its stand-in. */
function darkCharts(): string {
  const pairs: (readonly [string, string])[] = [
    ...darkInks,
    [softInk, "#b4b4b4"],
    ["#000", "#ececec"],
    ["#888", "#b4b4b4"],
    [gridInk, "#3a3d42"],
    [shade, "#2c2f34"],
  ];
  palette.forEach((colour, index) => {
    pairs.push([colour, darkPalette[index] ?? colour]);
  });
  orderedPalette.forEach((colour, index) => {
    pairs.push([colour, darkOrdered[index] ?? colour]);
  });
  sequential.forEach((colour, index) => {
    pairs.push([colour, darkSequential[index] ?? colour]);
  });
  const rules = pairs.map(
    ([from, to]) => `.chart [fill="${from}"]{fill:${to}}.chart [stroke="${from}"]{stroke:${to}}`,
  );
  return rules.join("\n");
}

export function styleSheet(): string {
  return `
:root{color-scheme:light dark;--ground:#fff;--ink:#1a1a1a;--soft:#565656;--line:#d9d9d9;--panel:#f5f6f7;
--link:#005a9c;--warn:#8a3b00;--warnground:#fff4e5;--best:#e6f3ec;--shadow:#0004}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;overflow-wrap:break-word;background:var(--ground);color:var(--ink);font:16px/1.5 "DejaVu Sans",Verdana,system-ui,sans-serif}
main,header,footer{max-width:70rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:1.5rem}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .25rem}
h2{font-size:1.2rem;margin:2.2rem 0 .6rem}
h3{font-size:1rem;margin:1.2rem 0 .4rem}
p{margin:.5rem 0}
a{color:var(--link)}
.skip{position:absolute;left:-99rem}.skip:focus{left:.5rem;top:.5rem;background:var(--ground);padding:.5rem}
.question,.meta,figcaption,.note{color:var(--soft)}
.meta,.note{font-size:.85rem}
.badge{display:inline-block;border:1px solid currentColor;border-radius:.3rem;padding:0 .45rem;font-size:.8rem;
vertical-align:.15em;margin-left:.5rem;font-weight:normal}
.answer{border-left:.3rem solid var(--link);padding:.2rem 0 .2rem 1rem;margin:1rem 0}
.answer p:first-child{font-size:1.15rem;line-height:1.45;font-weight:bold;margin:0}
.caveats{padding:0;list-style:none}
.caveats li{margin:.4rem 0;padding:.35rem .7rem;border-left:.2rem solid var(--line);font-size:.92rem}
.caveats .serious{border-color:var(--warn);background:var(--warnground)}
.caveats .serious b{color:var(--warn)}
.scroll{position:relative;overflow-x:auto;background:linear-gradient(90deg,var(--ground) 1.6rem,transparent) 0 0/3.2rem 100% no-repeat local,
linear-gradient(270deg,var(--ground) 1.6rem,transparent) 100% 0/3.2rem 100% no-repeat local,linear-gradient(90deg,var(--shadow),transparent) 0 0/.9rem 100% no-repeat scroll,
linear-gradient(270deg,var(--shadow),transparent) 100% 0/.9rem 100% no-repeat scroll}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
table{border-collapse:collapse;width:100%;font-size:.85rem;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .36rem;border-bottom:1px solid var(--line);text-align:right;vertical-align:top;white-space:nowrap}
th[scope=row],th[scope=rowgroup],td.text,th.text{text-align:left}
thead th{font-size:.8rem;border-bottom:2px solid var(--soft);white-space:normal;vertical-align:bottom}
th[scope=rowgroup]{background:var(--panel)}
th[scope=row]{font-weight:normal;white-space:normal;overflow-wrap:anywhere;min-width:8.5rem}
td small,.long td{white-space:normal}.long td{min-width:5rem}.long td.text,.long td:last-child{min-width:11rem}
td.why{white-space:normal;min-width:16rem}
.verdicts td.text,.verdicts th[scope=row]{white-space:normal}.verdicts td.why{min-width:13rem}
td.best{font-weight:bold;background:var(--best)}
td small{display:block;color:var(--soft);font-size:.75rem;font-weight:normal}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
figure{margin:1.6rem 0;break-inside:avoid}
figcaption{font-size:.85rem;margin-top:.4rem}
.chart{position:relative}
.chart.timed{touch-action:pan-y;cursor:crosshair;user-select:none}
.band{position:absolute;background:var(--link);opacity:.16;pointer-events:none}
.overlay{pointer-events:none}
.picking .chart [data-e]:not(.on):not([opacity="0"]){opacity:.13}
.picking .chart [data-n]:not([data-e]){opacity:.2}
.picking .chart g.back{opacity:.25}
.ranged #percentiles [data-e],.ranged #iops-latency [data-e]{opacity:.25}
.picking tr[data-e].on>*{background:var(--panel);font-weight:bold}
.off{display:none}.out{opacity:.4}.switch{cursor:pointer}
.switch text:focus{outline:none}.switch text:focus-visible{outline:2px solid var(--link);outline-offset:2px}
.script,.selected{display:none}.live .script,.ranged .selected{display:block}
button{font:inherit;color:inherit}
.pick{background:none;border:0;padding:0;text-align:left;cursor:pointer;text-decoration:underline dotted;text-underline-offset:.2em}
.copyable{position:relative}.copyable pre{padding-right:5.5rem;white-space:pre-wrap;overflow-wrap:anywhere}
.copy{position:absolute;top:.4rem;right:.4rem;font-size:.8rem;padding:.15rem .6rem;
background:var(--ground);border:1px solid var(--line);border-radius:.3rem;cursor:pointer}
.range{font-size:.85rem;margin:.3rem 0 .6rem;color:var(--soft)}
.range input{width:5.5rem;font:inherit;color:var(--ink);background:var(--ground);border:1px solid var(--line);border-radius:.25rem;padding:.1rem .3rem}
.range label{margin-right:.3rem;white-space:nowrap}
.bar{position:sticky;bottom:0;z-index:3;display:flex;gap:1rem;justify-content:center;align-items:center;padding:.5rem 1rem;
background:var(--panel);border-top:2px solid var(--link);font-size:.85rem}
.bar[hidden]{display:none}
.bar button{white-space:nowrap;padding:.2rem .7rem;background:var(--ground);border:1px solid var(--line);border-radius:.3rem;cursor:pointer}
.chart svg{display:block;width:100%;height:auto}
.chart .phone{display:none}
.chart text{font-family:"DejaVu Sans",Verdana,system-ui,sans-serif}
.tip{position:absolute;z-index:2;max-width:18rem;padding:.35rem .55rem;background:var(--ink);color:var(--ground);
font-size:.8rem;line-height:1.35;border-radius:.3rem;pointer-events:none}
.ring{position:absolute;width:18px;height:18px;margin:-9px 0 0 -9px;border:2px solid var(--ink);border-radius:50%;pointer-events:none}
.site th,.site td{white-space:normal;overflow-wrap:anywhere}.site small{display:block;color:var(--soft);font-weight:normal}
.site time{white-space:nowrap}.site .target{overflow-wrap:anywhere;min-width:11rem}.site th[scope=row]{min-width:13rem;max-width:18rem}.site td:last-child,.site th:last-child{overflow-wrap:normal}.site th a{font-weight:bold}
.sort{background:none;border:0;padding:0;font-weight:bold;cursor:pointer;text-align:left}
[aria-sort=ascending] .sort::after{content:" \\2191"}[aria-sort=descending] .sort::after{content:" \\2193"}
.range input[type=search]{width:14rem;max-width:100%}
pre{background:var(--panel);padding:.7rem .9rem;overflow-x:auto;font:.85rem/1.5 "DejaVu Sans Mono",ui-monospace,monospace}
.facts{display:grid;grid-template-columns:minmax(7rem,auto) minmax(0,2fr);gap:.15rem 1rem;font-size:.85rem;margin:.2rem 0}
.facts dt{color:var(--soft)}.facts dd{margin:0;overflow-wrap:anywhere}
#method~ul{padding-left:1.2rem;font-size:.92rem}#method~ul li{margin:.25rem 0}
.env{columns:2 22rem;column-gap:2rem}.group{break-inside:avoid;padding-bottom:.5rem}.group h3{margin-top:.3rem}
details{margin:.6rem 0}summary{cursor:pointer}
footer{margin-top:3rem;padding-top:1rem;padding-bottom:2rem;border-top:1px solid var(--line);font-size:.85rem;color:var(--soft)}
@media screen and (max-width:110rem){.ranges [data-m="bw.binary"]{display:none}}
@media screen and (max-width:68rem){[data-m="bw.binary"]{display:none}}
@media screen and (max-width:56rem){table{font-size:.8rem}thead th{font-size:.75rem}th,td{padding:.3rem .22rem}.verdicts td.why{min-width:10rem}}
@media screen and (max-width:42rem){
main,header,footer{padding-left:.9rem;padding-right:.9rem}
.chart .wide{display:none}.chart .phone{display:block}
.facts{grid-template-columns:minmax(6rem,9.5rem) minmax(0,1fr);gap:.15rem .7rem}
.site thead tr{display:flex;flex-wrap:wrap;gap:0 1.1rem}.range{line-height:2.1}.range label{white-space:normal}.site tr{display:block;border-bottom:1px solid var(--line);padding:.5rem 0}.site tr[hidden]{display:none}
.site td,.site th,.site th[scope=row]{display:block;border:0;padding:.1rem 0;position:static!important;min-width:0;max-width:none}
.site .target{max-width:none}
th[scope=row]{position:sticky;left:0;background:var(--ground);min-width:7.5rem}
.verdicts thead{display:none}.verdicts tr{display:block;border-bottom:1px solid var(--line);padding:.4rem 0}
.verdicts td,.verdicts th[scope=row],.verdicts th[scope=rowgroup]{display:block;position:static;border:0;padding:.1rem .2rem;text-align:left;white-space:normal;min-width:0}
.verdicts th[scope=row]{font-weight:bold}.verdicts td small{display:inline}
.verdicts td[data-l]::before{content:attr(data-l) ": ";color:var(--soft)}
}
@media screen and (prefers-color-scheme:dark){
:root{--ground:#17191c;--ink:#ececec;--soft:#b4b4b4;--line:#3a3d42;--panel:#22252a;--link:#7cc0ff;--warn:#ffb37a;
--warnground:#33261a;--best:#1d3328;--shadow:#fff3}
${darkCharts()}
}
@page{margin:13mm 12mm}
@media print{
html,body{font-size:10pt}
.chart svg{width:auto;max-width:100%;max-height:105mm;margin:0 auto 0 0}
.env{columns:2 16rem}
main,header,footer{max-width:none;padding:0}
a{color:inherit;text-decoration:none}
.scroll{overflow:visible;background:none}table{font-size:7.5pt}th,td{padding:.15rem .3rem}
.noprint,.skip,.tip,.ring,.bar{display:none!important}
.pick{text-decoration:none}summary{list-style:none}
details::details-content{content-visibility:visible;display:block;block-size:auto}
h2,h3{break-after:avoid}tr{break-inside:avoid}tr:has(th[scope=rowgroup]){break-after:avoid}
#heat .chart svg,#time .chart svg{max-height:190mm}
thead{display:table-header-group}
pre{white-space:pre-wrap}
}
`.trim();
}
