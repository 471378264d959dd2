/** Sorts and narrows the list of reports. It is in order of time without this. */

const body = document.querySelector("tbody");
const rows = [...body.rows];

/** Numbers by size, everything else by its letters. */
function compare(a, b) {
  const [x, y] = [Number(a), Number(b)];
  return Number.isFinite(x) && Number.isFinite(y) && a !== "" && b !== ""
    ? x - y
    : a.localeCompare(b);
}

for (const head of document.querySelectorAll("th[aria-sort]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "sort";
  button.append(...head.childNodes);
  head.append(button);
  const place = head.cellIndex;
  button.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of document.querySelectorAll("th[aria-sort]")) {
      other.setAttribute("aria-sort", "none");
    }
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (row) => row.cells[place].dataset.key ?? row.cells[place].textContent;
    const sorted = rows.toSorted((a, b) => compare(key(a), key(b)) * (down ? -1 : 1));
    body.append(...sorted);
  });
}

const filter = document.createElement("input");
filter.type = "search";
filter.id = "filter";
const label = document.createElement("label");
label.htmlFor = "filter";
label.textContent = "Show only reports that contain ";
const count = document.createElement("span");
count.setAttribute("role", "status");
const form = document.createElement("form");
form.className = "range noprint";
form.append(label, filter, " ", count);
form.addEventListener("submit", (event) => event.preventDefault());
document.querySelector("h2").after(form);
filter.addEventListener("input", () => {
  const words = filter.value.toLowerCase().split(/\s+/);
  let shown = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
    shown += row.hidden ? 0 : 1;
  }
  count.textContent = `${shown} of ${rows.length}`;
});
