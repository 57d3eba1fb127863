import { address } from "./route.ts";
import { useWords } from "./words/index.ts";

/** That an address leads nowhere, and where to go instead. */
export function NotFound({ message = "" }: { message?: string }) {
  const words = useWords();
  return (
    <article className="text">
      <h1 tabIndex={-1}>{words.notFound}</h1>
      {message !== "" && <p>{message}</p>}
      <p><a href={address({ kind: "gallery", query: "", order: "name" })}>{words.toGallery}</a></p>
    </article>
  );
}
