/** Which facts of the machine are told as changed between runs. */
import { expect, test } from "vitest";
import { changedFacts } from "../../results/report/environment.ts";

const file = (path: string, sizeBytes: number, scheduler = "none") => ({
  path,
  kind: "file",
  size_bytes: sizeBytes,
  device: { name: "sda", scheduler },
});

test("other files of other sizes are no other machine; another scheduler under the same path is", () => {
  const environments = [
    { kernel: "6.1", devices: [file("/a", 1), file("/log", 32)] },
    { kernel: "6.1", devices: [file("/b", 2), file("/log", 512)] },
    { kernel: "6.1", devices: [file("/log", 512)] },
  ];
  expect(changedFacts(environments)).toEqual([]);
  const other = { kernel: "6.1", devices: [file("/log", 512, "bfq")] };
  expect(changedFacts([...environments, other])).toEqual([
    expect.stringMatching(/\/log.*scheduler \(none \/ bfq\)/),
  ]);
  const grown = (sizeBytes: number) => ({
    devices: [{ path: "/dev/sda", kind: "disk", size_bytes: sizeBytes }],
  });
  expect(changedFacts([grown(1), grown(2)])).toHaveLength(1);
});

test("a file that the first run made is the same place; one that moved is not", () => {
  const place = (reason: string, fileSystem: string) => ({
    devices: [{ path: "/log", kind: "file", class_reason: reason, file_system: fileSystem }],
  });
  const virtio = "virtual bus virtio counts as ssd";
  const made = [
    [place("a file on tmpfs counts as ssd", "tmpfs"), "tmpfs, in memory,"],
    [place(virtio, "ext4"), `vda (ext4): ${virtio}`],
  ] as const;
  for (const [before, reason] of made) {
    const text = reason.includes(virtio) ? `file on ${reason}` : `file on ${reason} counts as ssd`;
    const after = place(text, before.devices[0]?.file_system ?? "");
    expect(changedFacts([before, after, before])).toEqual([]);
  }
  const moved = [place(virtio, "ext4"), place("file on sda (xfs): bus sata, rotational", "xfs")];
  expect(changedFacts(moved)).toEqual([
    expect.stringContaining("class reason"),
    expect.stringContaining("file system (ext4 / xfs)"),
  ]);
});
