/** Brings the page to life. Everything that it shows can be read without this. */
import { addCopyButtons, pickRows, switchLegends } from "./controls.js";
import { dimOthers, drawRange, fillTable, makeBar } from "./follow.js";
import { readMarks } from "./marks.js";
import { readModel } from "./model.js";
import { rangeFields, selectRanges } from "./range.js";
import { Selection } from "./selection.js";

function start(model) {
  document.body.classList.add("live");
  const selection = new Selection(model);
  const several = model.entries.length > 1;
  const picked = (chart) => (entry) => {
    if (chart.dataset.dragged !== undefined) {
      // The end of a drag is no click.
      delete chart.dataset.dragged;
    } else if (entry !== null && several) {
      selection.toggle(entry);
    }
  };
  for (const chart of document.querySelectorAll(".chart")) {
    readMarks(chart, model, picked(chart));
    selectRanges(chart, selection);
  }
  for (const figure of document.querySelectorAll("figure")) {
    switchLegends(figure);
  }
  const time = document.querySelector("#time");
  if (time !== null) {
    rangeFields(time, selection);
  }
  pickRows(selection);
  for (const follower of [dimOthers, fillTable, drawRange]) {
    selection.follow(follower);
  }
  makeBar(selection);
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      selection.clear();
    }
  });
}

addCopyButtons();
const model = await readModel();
if (model !== null) {
  start(model);
}
// The frame after the next one begins when everything has been drawn once.
requestAnimationFrame(() => {
  requestAnimationFrame(() => performance.mark("osdyno-drawn"));
});
