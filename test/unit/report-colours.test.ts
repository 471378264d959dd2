/** The report's colours as readers with each kind of colour blindness, and grey printers, see them. */
import { describe, expect, it } from "vitest";
import { inkOn, orderedPalette, palette, sequential } from "../../results/report/chart-style.ts";
import {
  darkInks,
  darkOrdered,
  darkPalette,
  darkSequential,
} from "../../results/report/html-style.ts";

type Triple = readonly [number, number, number];
type Matrix = readonly [Triple, Triple, Triple];

/**
 * Full deficiencies on linear RGB: Machado, Oliveira and Fernandes, "A physiologically-based model for
 * simulation of color vision deficiency" (2009), severity 1.0.
 */
const visions: Readonly<Record<string, Matrix>> = {
  trichromat: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

function linear(hex: string): Triple {
  const [r = 0, g = 0, b = 0] = [1, 3, 5]
    .map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return [r, g, b];
}

function times(matrix: Matrix, [x, y, z]: Triple): Triple {
  const [r = 0, g = 0, b = 0] = matrix
    .map((row) => row[0] * x + row[1] * y + row[2] * z)
    .map((v) => Math.min(1, Math.max(0, v)));
  return [r, g, b];
}

/** CIE L*a*b* under D65. */
function lab(colour: Triple): Triple {
  const xyz = [
    (0.4124564 * colour[0] + 0.3575761 * colour[1] + 0.1804375 * colour[2]) / 0.95047,
    0.2126729 * colour[0] + 0.7151522 * colour[1] + 0.072175 * colour[2],
    (0.0193339 * colour[0] + 0.119192 * colour[1] + 0.9503041 * colour[2]) / 1.08883,
  ];
  const [x = 0, y = 0, z = 0] = xyz.map((t) =>
    t > 216 / 24389 ? Math.cbrt(t) : ((24389 / 27) * t + 16) / 116,
  );
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

function seen(hex: string, vision: string): Triple {
  return lab(times(visions[vision] as Matrix, linear(hex)));
}

/** CIE76: about 2.3 is just noticed side by side. */
function distance(a: Triple, b: Triple): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

function lightness(hex: string): number {
  return lab(linear(hex))[0];
}

/** The two colours that are hardest to tell apart, and how far they are. */
function closest(colours: readonly string[], vision: string): readonly [number, string] {
  const pairs = colours.flatMap((a, at) =>
    colours.slice(at + 1).map((b) => {
      return [distance(seen(a, vision), seen(b, vision)), `${a} ${b}`] as const;
    }),
  );
  return pairs.reduce((least, pair) => (pair[0] < least[0] ? pair : least));
}

describe.each(Object.keys(visions))("colours under %s", (vision) => {
  it.each([
    ["on white", palette],
    ["on dark", darkPalette],
  ] as const)("series %s: the first four stand apart, all eight differ", (_, colours) => {
    expect(colours).toHaveLength(8);
    const [four, pairOfFour] = closest(colours.slice(0, 4), vision);
    expect(four, pairOfFour).toBeGreaterThan(20);
    const [eight, pairOfEight] = closest(colours, vision);
    expect(eight, pairOfEight).toBeGreaterThan(8);
  });

  it.each([
    ["depths on white", orderedPalette],
    ["depths on dark", darkOrdered],
    ["counts on white", sequential],
    ["counts on dark", darkSequential],
  ] as const)("%s: neighbours differ", (_, colours) => {
    const steps = colours.slice(1).map((colour, at) => {
      return distance(seen(colours[at] ?? "", vision), seen(colour, vision));
    });
    expect(Math.min(...steps), steps.map((step) => step.toFixed(1)).join(" ")).toBeGreaterThan(7);
  });
});

describe("colours in grey", () => {
  it.each([
    ["depths on white", orderedPalette, -1],
    ["counts on white", sequential, -1],
    ["depths on dark", darkOrdered, -1],
    ["counts on dark", darkSequential, 1],
  ] as const)("%s go one way in lightness", (_, colours, sign) => {
    const steps = colours.slice(1).map((colour, at) => {
      return sign * (lightness(colour) - lightness(colours[at] ?? ""));
    });
    expect(Math.min(...steps), steps.map((step) => step.toFixed(1)).join(" ")).toBeGreaterThan(4);
  });

  it("every series stands out from its ground", () => {
    for (const [colours, ground] of [
      [palette, "#ffffff"],
      [orderedPalette, "#ffffff"],
      [darkPalette, "#17191c"],
      [darkOrdered, "#17191c"],
    ] as const) {
      for (const colour of colours) {
        const [a, b] = [colour, ground].map((hex) => {
          const [r, g, blue] = linear(hex);
          return 0.2126 * r + 0.7152 * g + 0.0722 * blue + 0.05;
        });
        const contrast = Math.max((a ?? 1) / (b ?? 1), (b ?? 1) / (a ?? 1));
        expect(contrast, `${colour} on ${ground}`).toBeGreaterThanOrEqual(3);
      }
    }
  });
});

describe("words on the cells of a map", () => {
  const light = (hex: string) => {
    const [r, g, b] = linear(hex);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const contrast = (a: string, b: string) =>
    Math.max(light(a), light(b)) / Math.min(light(a), light(b));

  it("are read on every step, in both schemes", () => {
    const dark = new Map(darkInks);
    for (const [step, colour] of sequential.entries()) {
      const words = inkOn(step);
      expect(contrast(words, colour), `step ${step}`).toBeGreaterThanOrEqual(4.5);
      const own = darkSequential[step] ?? "";
      expect(contrast(dark.get(words) ?? "", own), `dark step ${step}`).toBeGreaterThanOrEqual(4.5);
    }
  });
});
