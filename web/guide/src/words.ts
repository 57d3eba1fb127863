/** Numbers as people read them. */

/** Return a share of 0..1 in per cent; never "100 %" or "0 %" for what is not quite that. */
export function percent(share: number): string {
  if (share > 0 && share < 0.005) return "< 1 %";
  if (share < 1 && share >= 0.995) return "> 99 %";
  return `${Math.round(100 * share)} %`;
}

/** Return a time in seconds, two digits of it. */
export function seconds(ms: number): string {
  return `${Number((ms / 1000).toPrecision(2))} s`;
}
