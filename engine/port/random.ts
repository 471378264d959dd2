/** Random numbers as the engine sees them: seeded everywhere, the seed is recorded. */
export interface Random {
  /** Uniform in [0, 1). */
  unit(): number;
  /** Uniform integer in [0, limit); limit MUST be a positive safe integer. */
  below(limit: number): number;
  /** 32 uniform bits as a non-negative integer. */
  bits32(): number;
}
