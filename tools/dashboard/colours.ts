// Colours. Blue to yellow through magenta is told apart with any of the common kinds of colour blindness; lightness,
// hatching and text say what hue alone would.

// As ImageData has it in memory.
function packed(red: number, green: number, blue: number): number {
  return (255 << 24 | blue << 16 | green << 8 | red) >>> 0;
}

// OKLCH to sRGB (Björn Ottosson's matrices).
function rgbOf(lightness: number, chroma: number, hue: number): [number, number, number] {
  const a = chroma * Math.cos(hue * Math.PI / 180), b = chroma * Math.sin(hue * Math.PI / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
                  -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
                  -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s];
  return linear.map(value => {
    const light = Math.max(0, Math.min(1, value));
    return Math.round(255 * (light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055));
  }) as [number, number, number];
}

export function isDark(): boolean { return matchMedia("(prefers-color-scheme: dark)").matches; }

// `place` of a class among those in use, 0 to 1; `taken` share of its blocks.
function slabRgb(place: number, taken: number): [number, number, number] {
  const hue = 250 + place * 205;
  return isDark() ? rgbOf(0.32 + 0.5 * taken, 0.05 + 0.09 * taken, hue) : rgbOf(0.93 - 0.43 * taken, 0.04 + 0.12 * taken, hue);
}
export function slabPixel(place: number, taken: number): number { return packed(...slabRgb(place, taken)); }
export function slabColour(place: number, taken: number): string { return `rgb(${slabRgb(place, taken).join(" ")})`; }

function named(name: string): string { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
export function colour(name: string): string { return named(`--${name}`); }
export function pixel(name: string): number {
  const text = colour(name);
  const number = parseInt(text.slice(1), 16);
  return packed(number >> 16 & 255, number >> 8 & 255, number & 255);
}

// Rows of the ledger: what the program holds is blue, what it does not hold goes from orange to yellow, hakmem's own is
// purple, and what is not heap is grey.
const ROWS: Record<string, string> = {
  small_live: "held", huge_live: "held2", free: "free", cached: "free2", tail: "free3", empty: "free4",
  huge_retained: "free5", metadata: "own", files: "grey", stack: "grey2", other: "grey3", unexplained: "ink", absent: "line",
};
export function rowColour(id: string): string { return colour(ROWS[id] ?? "quiet"); }
