/** Whether a recorded command line gave a flag, which then holds over the file. */
export function givenFlag(command: readonly string[] | undefined, flag: string): boolean {
  return (command ?? []).some((word) => word === `--${flag}` || word.startsWith(`--${flag}=`));
}
