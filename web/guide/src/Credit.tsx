import { type Example, webAddress } from "./guide.ts";

/** Who made an example, and under which licence. */
export function Credit({ example }: { example: Example }) {
  const source = webAddress(example.source), licence = webAddress(example.licence_url);
  const author = example.author || "Author unknown";
  return (
    <>
      {source === null ? author : <a href={source} rel="noreferrer noopener" target="_blank">{author}</a>}
      {" · "}
      {licence === null ? example.licence : <a href={licence} rel="noreferrer noopener" target="_blank">{example.licence}</a>}
    </>
  );
}
