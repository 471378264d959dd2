/** Legends that hide and show lines, rows that can be picked, and buttons that copy. */

/** Every name in a legend becomes a switch for the marks of that name in its figure. */
export function switchLegends(figure) {
  for (const label of figure.querySelectorAll(".role-legend-label text")) {
    const name = label.textContent;
    const marks = [...figure.querySelectorAll("[data-n], [data-k]")].filter(
      (mark) => mark.dataset.n === name || mark.dataset.k === name,
    );
    if (marks.length === 0) {
      continue;
    }
    label.closest('[aria-roledescription="legend"]')?.setAttribute("role", "group");
    label.setAttribute("role", "switch");
    label.setAttribute("tabindex", "0");
    label.setAttribute("aria-checked", "true");
    const entry = label.closest("g").parentElement;
    const flip = () => {
      const off = label.getAttribute("aria-checked") === "true";
      // The legend of the other drawing says the same.
      for (const twin of figure.querySelectorAll(".role-legend-label text[role]")) {
        if (twin.textContent === name) {
          twin.setAttribute("aria-checked", String(!off));
          twin.closest("g").parentElement.classList.toggle("out", off);
        }
      }
      const out = [...figure.querySelectorAll('[aria-checked="false"]')].map((t) => t.textContent);
      for (const mark of figure.querySelectorAll(".chart [data-n], .chart [data-k]")) {
        mark.classList.toggle("off", out.includes(mark.dataset.n) || out.includes(mark.dataset.k));
      }
    };
    entry.classList.add("switch");
    entry.addEventListener("click", (event) => {
      event.stopPropagation();
      flip();
    });
    label.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        flip();
      }
    });
  }
}

/** The name of each row becomes a button where there is more than one. */
export function pickRows(selection) {
  const rows = [...document.querySelectorAll("tr[data-e]")];
  for (const row of rows.length > 1 ? rows : []) {
    const head = row.querySelector("th");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "pick";
    button.dataset.e = row.dataset.e;
    button.setAttribute("aria-pressed", "false");
    button.textContent = head.textContent;
    button.title = "Follow this one through the charts";
    head.replaceChildren(button);
    button.addEventListener("click", () => selection.toggle(Number(row.dataset.e)));
  }
}

export function addCopyButtons() {
  for (const text of document.querySelectorAll("pre[data-copy]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy noprint";
    button.textContent = "Copy";
    button.setAttribute("aria-label", `Copy ${text.dataset.copy}`);
    button.addEventListener("click", async () => {
      const done = await copyText(text);
      button.textContent = done ? "Copied" : "Press Ctrl+C";
      setTimeout(() => {
        button.textContent = "Copy";
      }, 2000);
    });
    const frame = document.createElement("div");
    frame.className = "copyable";
    text.replaceWith(frame);
    frame.append(text, button);
  }
}

/** Where the clipboard is closed to pages, the text is left selected for the reader's own keys. */
async function copyText(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(element);
    return false;
  }
}
