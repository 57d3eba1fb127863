/** Numbers as people of a language read them. */

const SPACE = "\u00a0"; // a number and its unit stay on one line

export interface Numbers {
  /** Write a share of 0..1 in per cent; never "100 %" or "0 %" for what is not quite that. */
  percent: (share: number) => string;
  /** Write a time in seconds, two digits of it. */
  seconds: (ms: number) => string;
  milliseconds: (ms: number) => string;
  megabytes: (bytes: number) => string;
  count: (count: number) => string;
}

/** Return how numbers are written in a language. */
export function numbersOf(language: string): Numbers {
  const digits = new Intl.NumberFormat(language, { maximumSignificantDigits: 2 });
  const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
  return {
    percent: (share) => {
      if (share > 0 && share < 0.005) return `<${SPACE}1${SPACE}%`;
      if (share < 1 && share >= 0.995) return `>${SPACE}99${SPACE}%`;
      return `${Math.round(100 * share)}${SPACE}%`;
    },
    seconds: (ms) => `${digits.format(ms / 1000)}${SPACE}s`,
    milliseconds: (ms) => `${digits.format(ms)}${SPACE}ms`,
    megabytes: (bytes) => `${digits.format(bytes / 1e6)}${SPACE}MB`,
    count: (count) => whole.format(count),
  };
}
