/** The data of the report, which the page carries for download. */

/** Null where the browser cannot unpack it; the page then stays as it is. */
export async function readModel() {
  const link = document.querySelector("a[data-model]");
  if (link === null || typeof DecompressionStream === "undefined") {
    return null;
  }
  const packed = atob(link.getAttribute("href").split(",")[1]);
  const bytes = Uint8Array.from(packed, (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}
