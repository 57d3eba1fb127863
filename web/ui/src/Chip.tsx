import type { ReactNode } from "react";

export type Tone = "soft" | "good" | "bad" | "warn" | "accent";

/** A word in a pill. */
export function Chip({ tone = "soft", title, children }: { tone?: Tone; title?: string; children: ReactNode }) {
  return (
    <span className={`chip ${tone}`} title={title}>
      {children}
    </span>
  );
}
