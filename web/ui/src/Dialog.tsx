import * as Radix from "@radix-ui/react-dialog";
import { X } from "lucide-react";
import { type ReactNode, useRef } from "react";

interface Props {
  open: boolean;
  onClose: () => void;
  title: string;
  /** shown to nobody but read out, where the look needs no heading */
  hideTitle?: boolean;
  /** where to begin, if not at the first button */
  focusOn?: (dialog: HTMLElement) => HTMLElement | null;
  className?: string;
  children: ReactNode;
}

/**
 * A modal window: traps and gives back the focus, closes on Escape and on a click beside it.
 *
 * Radix's own overlay is left out: it writes a <style> into the page, which the content security policy forbids.
 */
export function Dialog({ open, onClose, title, hideTitle = false, focusOn, className = "", children }: Props) {
  const before = useRef<Element>(null); // what had the focus: Radix gives it back only to a trigger of its own
  return (
    <Radix.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Radix.Portal>
        <div className="backdrop" />
        <Radix.Content
          className={`dialog ${className}`}
          aria-describedby={undefined}
          onOpenAutoFocus={(event) => {
            before.current = document.activeElement;
            if (!focusOn || !(event.currentTarget instanceof HTMLElement)) return;
            event.preventDefault();
            focusOn(event.currentTarget)?.focus();
          }}
          onCloseAutoFocus={(event) => {
            event.preventDefault();
            if (before.current instanceof HTMLElement) before.current.focus({ preventScroll: true });
          }}
        >
          <header className={hideTitle ? "dialog-head bare" : "dialog-head"}>
            <Radix.Title className={hideTitle ? "visually-hidden" : "dialog-title"}>{title}</Radix.Title>
            <Radix.Close className="button quiet" aria-label="Close">
              <X size={18} aria-hidden="true" />
            </Radix.Close>
          </header>
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
