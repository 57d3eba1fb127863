/** The guide's own colour, made light or dark enough to be read on a light page and on a dark one. */

type Rgb = readonly [number, number, number];

/** What the accent is read on, the least favourable of them: card, paper and mat of the style sheet. */
const LIGHT_GROUND: Rgb = [233, 237, 228];
const DARK_GROUND: Rgb = [40, 47, 42];
const WHITE: Rgb = [255, 255, 255];
const INK: Rgb = [13, 20, 16];
const LEAST_CONTRAST = 4.5; // WCAG 2.2, 1.4.3
const STEPS = 200;

export interface Accent {
  /** for text, lines and buttons */
  readonly accent: string;
  /** for text on a button of that colour */
  readonly onAccent: string;
}

/** Return the nearest colours that can be read in both schemes; null where it is not a colour such as #7a2e8e. */
export function accentsOf(colour: string): { readonly light: Accent; readonly dark: Accent } | null {
  const rgb = readColour(colour);
  if (!rgb) return null;
  return { light: accentOn(LIGHT_GROUND, rgb, INK), dark: accentOn(DARK_GROUND, rgb, WHITE) };
}

/** Show the page in the guide's own colour, and its tab with the guide's logo. */
export function showBrand({ colour = "", logo }: { readonly colour?: string; readonly logo?: string }): void {
  const icon = document.querySelector<HTMLLinkElement>("link[rel=icon]");
  if (icon && logo !== undefined) {
    icon.type = "image/png";
    icon.href = `./${logo}`;
  }
  const accents = accentsOf(colour);
  if (!accents) return;
  for (const [scheme, { accent, onAccent }] of Object.entries(accents)) {
    document.documentElement.style.setProperty(`--brand-${scheme}`, accent);
    document.documentElement.style.setProperty(`--on-brand-${scheme}`, onAccent);
  }
}

/** The contrast of two colours, 1 to 21, as WCAG 2.2 defines it. */
export function contrast(one: Rgb, other: Rgb): number {
  const [light = 0, dark = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

/** Read #rrggbb. */
export function readColour(text: string): Rgb | null {
  const match = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(text);
  return match ? [channel(match[1]), channel(match[2]), channel(match[3])] : null;
}

function accentOn(ground: Rgb, colour: Rgb, towards: Rgb): Accent {
  let accent = colour;
  for (let step = 1; step <= STEPS && contrast(accent, ground) < LEAST_CONTRAST; step++) accent = mix(colour, towards, step / STEPS);
  const onAccent = contrast(accent, WHITE) >= contrast(accent, INK) ? WHITE : INK;
  return { accent: write(accent), onAccent: write(onAccent) };
}

const channel = (text = "0") => Number.parseInt(text, 16);
const mix = (from: Rgb, to: Rgb, share: number): Rgb => [blend(from[0], to[0], share), blend(from[1], to[1], share), blend(from[2], to[2], share)];
const blend = (from: number, to: number, share: number) => Math.round(from + (to - from) * share);
const write = (rgb: Rgb) => `#${rgb.map((value) => value.toString(16).padStart(2, "0")).join("")}`;

function luminance(rgb: Rgb): number {
  const [red, green, blue] = rgb.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * (red ?? 0) + 0.7152 * (green ?? 0) + 0.0722 * (blue ?? 0);
}
