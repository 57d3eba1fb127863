import { type Example, webAddress } from "./guide.ts";
import { useWords } from "./words/index.ts";

/** Who made an example, and under which licence. */
export function Credit({ example }: { example: Example }) {
  const words = useWords();
  const source = webAddress(example.source), licence = webAddress(example.licence_url);
  const author = example.author || words.unknownAuthor;
  return (
    <>
      {source === null ? author : <a href={source} rel="noreferrer noopener" target="_blank">{author}</a>}
      {" · "}
      {licence === null ? example.licence : <a href={licence} rel="noreferrer noopener" target="_blank">{example.licence}</a>}
    </>
  );
}
