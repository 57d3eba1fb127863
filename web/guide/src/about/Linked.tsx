import { webAddress } from "../guide.ts";

/** A text from outside, its https addresses as links. */
export function Linked({ text }: { text: string }) {
  return text.split(/(https?:\/\/[^\s<>"]*[^\s<>".,;:!?)\]])/).map((part, place) => {
    const url = place % 2 === 1 ? webAddress(part) : null;
    return url === null ? part : <a key={`${place} ${part}`} href={url} rel="noreferrer noopener" target="_blank">{part.replace(/^https?:\/\//, "")}</a>;
  });
}
