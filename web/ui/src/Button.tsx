import type { ComponentProps, ReactNode } from "react";

import { Kbd } from "./Kbd.tsx";

export interface ButtonProps extends ComponentProps<"button"> {
  icon?: ReactNode;
  /** the key that does the same */
  hotkey?: string;
  tone?: "plain" | "good" | "bad" | "accent" | "quiet";
}

/** A button with a word, an icon, and the key that does the same. */
export function Button({ icon, hotkey, tone = "plain", className = "", children, ...rest }: ButtonProps) {
  return (
    <button type="button" className={`button ${tone} ${className}`} {...rest}>
      {icon}
      {children !== undefined && <span className="button-text">{children}</span>}
      {hotkey !== undefined && <Kbd>{hotkey}</Kbd>}
    </button>
  );
}
