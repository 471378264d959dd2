/** Progress on stderr: a bar with rate and time left on a terminal, plain lines otherwise. */
import cliProgress from "cli-progress";

export interface Progress {
  /** Begins something new; `label` says what. */
  begin(label: string): void;
  /** `fraction` 0 to 1, or null when the end is unknown; `detail` e.g. "123k IOPS". */
  update(fraction: number | null, detail: string): void;
  /** A line that stays. */
  note(line: string): void;
  /**
   * A table of what is known so far: a terminal shows the newest one in the place of the one before,
   * elsewhere those that are `whole` are printed.
   */
  board(text: string, whole: boolean): void;
  end(): void;
}

/** Says nothing but notes. */
export function quietProgress(): Progress {
  return {
    begin() {},
    update() {},
    note: (line) => process.stderr.write(`${line}\n`),
    board() {},
    end() {},
  };
}

/** `12s`, `3m 05s`, `2h 10m`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) {
    return `${whole}s`;
  }
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes}m ${String(whole % 60).padStart(2, "0")}s`
    : `${Math.floor(minutes / 60)}h ${String(minutes % 60).padStart(2, "0")}m`;
}

function timeLeft(startedMs: number, fraction: number): string {
  const spent = (Date.now() - startedMs) / 1000;
  return fraction < 0.02 || spent < 0.3
    ? ""
    : `${formatSeconds((spent / fraction) * (1 - fraction))} left`;
}

function barProgress(): Progress {
  let bar: cliProgress.SingleBar | null = null;
  let label = "";
  let startedMs = 0;
  /** Lines of the board above the bar; 0 when something else was printed since. */
  let boardLines = 0;
  const stop = () => {
    bar?.stop();
    bar = null;
  };
  // However the process ends, the terminal has its cursor again.
  process.once("exit", stop);
  return {
    begin(text) {
      stop();
      label = text;
      startedMs = Date.now();
      bar = new cliProgress.SingleBar({
        format: "{label} [{bar}] {percent} {detail} {left}",
        stream: process.stderr,
        clearOnComplete: true,
        hideCursor: true,
        barsize: 24,
        gracefulExit: false,
      });
      bar.start(1000, 0, { label, percent: "", detail: "", left: "" });
    },
    update(fraction, detail) {
      const known = fraction ?? 0;
      bar?.update(Math.round(known * 1000), {
        label,
        percent: fraction === null ? "" : `${Math.round(known * 100)}%`,
        detail,
        left: fraction === null ? "" : timeLeft(startedMs, known),
      });
    },
    note(line) {
      stop();
      boardLines = 0;
      process.stderr.write(`${line}\n`);
    },
    board(text) {
      stop();
      // A board higher than the terminal has scrolled away: it stays, and a new one follows.
      const reach = boardLines > 0 && boardLines < (process.stderr.rows ?? 24);
      process.stderr.write(`${reach ? `\u001b[${boardLines}A\u001b[0J` : ""}${text}\n`);
      boardLines = text.split("\n").length;
    },
    end: stop,
  };
}

/** Seconds between two plain lines; fewer with `--eta=always`. */
const plainEverySeconds = 10;

function lineProgress(everySeconds: number): Progress {
  let label = "";
  let startedMs = 0;
  let lastMs = 0;
  return {
    begin(text) {
      label = text;
      startedMs = Date.now();
      lastMs = startedMs;
      process.stderr.write(`${label}\n`);
    },
    update(fraction, detail) {
      if (Date.now() - lastMs < everySeconds * 1000) {
        return;
      }
      lastMs = Date.now();
      const percent = fraction === null ? "" : ` ${Math.round(fraction * 100)}%`;
      const left = fraction === null ? "" : ` ${timeLeft(startedMs, fraction)}`;
      process.stderr.write(`${label}${percent} ${detail}${left}\n`);
    },
    note: (line) => process.stderr.write(`${line}\n`),
    board(text, whole) {
      if (whole) {
        process.stderr.write(`${text}\n`);
      }
    },
    end() {},
  };
}

let current: Progress = quietProgress();

/** fio's `--eta`: `auto` is a bar on a terminal, a line now and then otherwise. */
export type Eta = "always" | "never" | "auto";

/** The fitting kind for where stderr goes. */
export function makeProgress(
  wanted: boolean,
  eta: Eta = "auto",
  everySeconds: number | null = null,
): Progress {
  if (!wanted || eta === "never") {
    current = quietProgress();
  } else if (process.stderr.isTTY && everySeconds === null) {
    current = barProgress();
  } else {
    current = lineProgress(everySeconds ?? (eta === "always" ? 1 : plainEverySeconds));
  }
  return current;
}

/** A line that stays, whatever is drawn just now. */
export function note(line: string): void {
  current.note(line);
}
