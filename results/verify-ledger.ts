/** What verification counts and finds. */

/** Collects comparisons of published numbers with what raw data give. */
export class Ledger {
  numbers = 0;
  readonly disagreements: string[] = [];
  readonly notes: string[] = [];

  same(what: string, published: number | undefined, computed: number, tolerance = 0): void {
    this.numbers += 1;
    const far = published === undefined || !(Math.abs(published - computed) <= tolerance);
    if (far) {
      this.disagreements.push(`${what}: published ${published}, raw data give ${computed}`);
    }
  }

  /** For words: verdicts, cells of a table. */
  sameText(what: string, published: string | undefined, computed: string): void {
    this.numbers += 1;
    if (published !== computed) {
      this.disagreements.push(`${what}: published '${published}', raw data give '${computed}'`);
    }
  }
}
