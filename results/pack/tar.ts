/**
 * Archives that `tar` reads. Source of the layout: POSIX.1-2017, pax interchange format; names that do not
 * fit in 100 bytes stand in an extended header.
 */
import { OsdynoError } from "../../engine/base/error.ts";

const blockBytes = 512;
const nameBytes = 100;
const checksumAt = 148;

function head(name: string, bytes: number, kind: "0" | "x"): Buffer {
  const block = Buffer.alloc(blockBytes);
  block.write(name.slice(0, nameBytes), 0, "latin1");
  block.write("0000644\x000000000\x000000000\0", 100, "latin1");
  block.write(`${bytes.toString(8).padStart(11, "0")}\0`, 124, "latin1");
  // Always the same time, so that the same results make the same bytes.
  block.write(`${"0".repeat(11)}\0`, 136, "latin1");
  block.write(" ".repeat(8), checksumAt, "latin1");
  block.write(kind, 156, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  const sum = block.reduce((all, byte) => all + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, checksumAt, "latin1");
  return block;
}

function padded(content: Buffer): Buffer {
  const rest = content.length % blockBytes;
  return rest === 0 ? content : Buffer.concat([content, Buffer.alloc(blockBytes - rest)]);
}

/** `LENGTH path=NAME`, whose length counts its own digits. */
function paxPath(name: string): Buffer {
  const rest = ` path=${name}\n`;
  const bytes = Buffer.byteLength(rest);
  const first = bytes + String(bytes).length;
  const length = bytes + String(first).length;
  return Buffer.from(`${length}${rest}`);
}

/** Names are relative, with slashes. */
export function packTar(files: ReadonlyMap<string, Buffer>): Buffer {
  const parts: Buffer[] = [];
  for (const [name, content] of files) {
    if (Buffer.byteLength(name) > nameBytes || /[^\x20-\x7e]/.test(name)) {
      const pax = paxPath(name);
      parts.push(head("pax", pax.length, "x"), padded(pax));
    }
    const plain = name.replaceAll(/[^\x20-\x7e]/g, "_");
    parts.push(head(plain, content.length, "0"), padded(content));
  }
  return Buffer.concat([...parts, Buffer.alloc(2 * blockBytes)]);
}

const octal = (block: Buffer, at: number, bytes: number) =>
  Number.parseInt(block.toString("latin1", at, at + bytes).replaceAll(/[\0 ]/g, "") || "0", 8);

function textOf(block: Buffer, at: number, bytes: number): string {
  return block.toString("latin1", at, at + bytes).replace(/\0[\s\S]*$/, "");
}

/** The regular files of an archive. @throws OsdynoError `bad-input` when it is cut off or damaged. */
export function readTar(archive: Buffer, file: string): ReadonlyMap<string, Buffer> {
  const damaged = (what: string) => new OsdynoError("bad-input", `is damaged: ${what}`, { file });
  const files = new Map<string, Buffer>();
  let longName: string | null = null;
  for (let at = 0; ; ) {
    const block = archive.subarray(at, at + blockBytes);
    if (block.length < blockBytes) {
      throw damaged("it is cut off");
    }
    if (block.every((byte) => byte === 0)) {
      return files;
    }
    const sum = octal(block, checksumAt, 8);
    const own = Buffer.from(block).fill(" ", checksumAt, checksumAt + 8);
    if (own.reduce((all, byte) => all + byte, 0) !== sum) {
      throw damaged(`the header at byte ${at} does not add up`);
    }
    const bytes = octal(block, 124, 12);
    const content = archive.subarray(at + blockBytes, at + blockBytes + bytes);
    if (content.length < bytes) {
      throw damaged("it is cut off");
    }
    const kind = textOf(block, 156, 1);
    const prefix = textOf(block, 345, 155);
    if (kind === "x") {
      longName = /^\d+ path=(.*)$/m.exec(content.toString("utf8"))?.[1] ?? null;
    } else {
      const plain = `${prefix === "" ? "" : `${prefix}/`}${textOf(block, 0, nameBytes)}`;
      if (kind === "0" || kind === "") {
        files.set((longName ?? plain).replace(/^\.\//, ""), content);
      }
      longName = null;
    }
    at += blockBytes * (1 + Math.ceil(bytes / blockBytes));
  }
}
