/** How long the intervals of a run's time series are when `--interval` does not say it. */

const ladderMs = [50, 100, 250, 500] as const;
/** Fewer make a heat map coarse and a stall hard to place; more cost CPU that the job could have. */
const leastIntervals = 20;
/**
 * Clones whose rows of an interval are worth a second: 16 clones that read and write, of 128 slots each,
 * took 228 MiB with intervals of 100 ms, 205 with 250, 195 with 500 and 188 with 1000.
 */
const clonesPerSecond = 32;
/** From here on nobody looks at half seconds, and the files would only grow. */
const longSeconds = 3600;

/**
 * The longest step of 50, 100, 250 and 500 ms that cuts the run into 20 intervals or more; 50 ms when
 * none does, 500 ms when the length is not known, 1 s for runs of more than an hour, and for `--live`,
 * whose reader is a person or a monitor. Never below 100 ms with 2 clones, 250 with 4, 500 with 9.
 *
 * @param expectedSeconds what the plan expects; null = not known
 * @param clones jobs that run at once, at most
 */
export function usualIntervalMs(
  expectedSeconds: number | null,
  live: boolean,
  clones: number,
): number {
  if (live || (expectedSeconds ?? 0) > longSeconds) {
    return 1000;
  }
  if (expectedSeconds === null) {
    return 500;
  }
  const fitting = ladderMs.filter((ms) => (expectedSeconds * 1000) / ms >= leastIntervals);
  const affordable = ladderMs.find((ms) => ms * clonesPerSecond >= clones * 1000) ?? 500;
  return Math.max(fitting.at(-1) ?? ladderMs[0], affordable);
}
