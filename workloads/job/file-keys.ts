/** Keys that say where a job runs: its name, files and their sizes. */
import { readNames } from "./compound-value.ts";
import type { SupportedKey } from "./key.ts";

/** As many as the operations of a stream can number. */
const mostFiles = 65_535;

export const fileKeys: readonly SupportedKey[] = [
  {
    name: "description",
    type: "text",
    default: "",
    summary: "Free text, kept with the results.",
    apply: (draft, value) => {
      draft.description = value.text();
    },
  },
  {
    name: "name",
    type: "text",
    default: "the section's name",
    summary: "Name of the job; on the command line it starts a job.",
    apply: (draft, value) => {
      draft.name = value.text();
    },
  },
  {
    name: "filename",
    type: "names",
    default: "made by filename_format",
    summary: "Files or devices, separated by colons; a backslash keeps a colon.",
    priority: -1,
    apply: (draft, value) => {
      const names = readNames(value.text());
      if (names.length === 0) {
        throw value.refuse("names no file");
      }
      if (draft.filenames.length > 0) {
        value.note(
          `fio adds to the files already named (${draft.filenames.join(", ")}), it does not replace them`,
        );
      }
      draft.filenames = [...draft.filenames, ...names];
      if (draft.filenames.length > mostFiles) {
        throw value.refuse(`more than ${mostFiles} files`);
      }
    },
  },
  {
    name: "filename_format",
    type: "text",
    default: "$jobname.$jobnum.$filenum",
    summary: "How files are named that the job makes itself.",
    priority: -1,
    apply: (draft, value) => {
      draft.filenameFormat = value.text();
    },
  },
  {
    name: "directory",
    type: "names",
    default: "the current directory",
    summary: "Directories of the files, separated by colons; clones take turns.",
    apply: (draft, value) => {
      draft.directories = readNames(value.text());
    },
  },
  {
    name: "nrfiles",
    aliases: ["nr_files"],
    type: "number",
    default: "1",
    summary: "Files per job; a filename decides instead.",
    apply: (draft, value) => {
      draft.nrfiles = value.count({ min: 1, max: mostFiles });
    },
  },
  {
    name: "size",
    type: "size",
    unit: "bytes or %",
    default: "the file's or device's size",
    summary: "Size of the job's files together, or percent of what is there.",
    apply: (draft, value) => {
      draft.size = value.size();
    },
  },
  {
    name: "io_size",
    aliases: ["io_limit"],
    type: "size",
    unit: "bytes or %",
    default: "size",
    summary: "Bytes to transfer, if other than size.",
    apply: (draft, value) => {
      draft.ioSize = value.size();
    },
  },
  {
    name: "filesize",
    type: "range",
    unit: "bytes",
    default: "size / nrfiles",
    summary: "Size of each file, or a range to draw it from.",
    apply: (draft, value) => {
      draft.filesize = value.sizeRange();
    },
  },
  {
    name: "offset",
    aliases: ["fileoffset"],
    type: "size",
    unit: "bytes or %",
    default: "0",
    summary: "Where in the file the job begins.",
    apply: (draft, value) => {
      draft.offset = value.size();
    },
  },
  {
    name: "offset_increment",
    type: "size",
    unit: "bytes or %",
    default: "0",
    summary: "Added to the offset once for each clone.",
    apply: (draft, value) => {
      draft.offsetIncrement = value.size();
    },
  },
  {
    name: "unlink",
    type: "switch",
    default: "0",
    summary: "Remove the job's files when it is done.",
    apply: (draft, value) => {
      draft.unlink = value.switch(false);
    },
  },
  {
    name: "create_only",
    type: "switch",
    default: "0",
    summary: "Lay the files out and stop.",
    apply: (draft, value) => {
      draft.createOnly = value.switch(false);
    },
  },
];
