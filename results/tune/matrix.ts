/** The linear algebra that a Gaussian process needs: lower triangles, row by row in one array. */

/** A symmetric matrix of n rows: element (i, j) at i * n + j. */
export interface Square {
  readonly n: number;
  readonly values: Float64Array;
}

export function square(n: number, at: (row: number, column: number) => number): Square {
  const values = new Float64Array(n * n);
  for (let row = 0; row < n; row += 1) {
    for (let column = 0; column <= row; column += 1) {
      const value = at(row, column);
      values[row * n + column] = value;
      values[column * n + row] = value;
    }
  }
  return { n, values };
}

/** L with L L' = A; null when A is not positive definite. */
export function cholesky({ n, values }: Square): Square | null {
  const lower = new Float64Array(n * n);
  for (let row = 0; row < n; row += 1) {
    for (let column = 0; column <= row; column += 1) {
      let sum = values[row * n + column] as number;
      for (let k = 0; k < column; k += 1) {
        sum -= (lower[row * n + k] as number) * (lower[column * n + k] as number);
      }
      if (row === column) {
        if (!(sum > 0)) {
          return null;
        }
        lower[row * n + row] = Math.sqrt(sum);
      } else {
        lower[row * n + column] = sum / (lower[column * n + column] as number);
      }
    }
  }
  return { n, values: lower };
}

/** x with L x = b. */
export function solveLower({ n, values }: Square, b: ArrayLike<number>): Float64Array {
  const x = new Float64Array(n);
  for (let row = 0; row < n; row += 1) {
    let sum = b[row] as number;
    for (let k = 0; k < row; k += 1) {
      sum -= (values[row * n + k] as number) * (x[k] as number);
    }
    x[row] = sum / (values[row * n + row] as number);
  }
  return x;
}

/** x with L' x = b. */
export function solveUpper({ n, values }: Square, b: ArrayLike<number>): Float64Array {
  const x = new Float64Array(n);
  for (let row = n - 1; row >= 0; row -= 1) {
    let sum = b[row] as number;
    for (let k = row + 1; k < n; k += 1) {
      sum -= (values[k * n + row] as number) * (x[k] as number);
    }
    x[row] = sum / (values[row * n + row] as number);
  }
  return x;
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let place = 0; place < a.length; place += 1) {
    sum += (a[place] as number) * (b[place] as number);
  }
  return sum;
}

/** log of the determinant of L L'. */
export function logDeterminant({ n, values }: Square): number {
  let sum = 0;
  for (let row = 0; row < n; row += 1) {
    sum += 2 * Math.log(values[row * n + row] as number);
  }
  return sum;
}
