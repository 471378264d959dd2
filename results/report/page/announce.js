/** What a reader who does not see the page is told: one place, there before anything is said in it. */
const said = document.createElement("div");
said.className = "hidden";
said.id = "said";
said.setAttribute("role", "status");
said.setAttribute("aria-live", "polite");
document.querySelector("main").append(said);

export function announce(text) {
  if (said.textContent !== text) {
    said.textContent = text;
  }
}
