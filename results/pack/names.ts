/** What a packed run has beside the files of other runs. */

/** Logs of each interval in classes of response times, for heat maps. */
export const heatFolder = "heat";
/** The whole `series.csv`; that of other runs has the sums only. */
export const wholeSeriesName = "series-whole.csv";
