import type { Guide } from "./guide.ts";
import { address } from "./route.ts";
import { useWords } from "./words/index.ts";

/** What the guide says of one class. */
export function ClassPage({ guide, name }: { guide: Guide; name: string }) {
  const words = useWords();
  const it = guide.classes.find((row) => row.name === name);
  if (!it) return <NotFound message={words.noSuchClass(name)} />;
  return (
    <article className="text">
      <h1 tabIndex={-1}>{it.name}</h1>
      {it.about !== "" && <p>{it.about}</p>}
    </article>
  );
}

/** What the guide is, and how good it is. */
export function About({ guide }: { guide: Guide }) {
  const words = useWords();
  const [accuracy, low, high] = guide.accuracy;
  return (
    <article className="text">
      <h1 tabIndex={-1}>{words.about}</h1>
      {guide.about !== "" && <p>{guide.about}</p>}
      <p>{words.accuracy(accuracy)} <span className="number">({words.range(low, high)})</span>.</p>
    </article>
  );
}

/** What becomes of a picture. */
export function Privacy() {
  const words = useWords();
  return (
    <article className="text">
      <h1 tabIndex={-1}>{words.privacy}</h1>
      <p>{words.staysHere}.</p>
    </article>
  );
}

/** That an address leads nowhere, and where to go instead. */
export function NotFound({ message = "" }: { message?: string }) {
  const words = useWords();
  return (
    <article className="text">
      <h1 tabIndex={-1}>{words.notFound}</h1>
      {message !== "" && <p>{message}</p>}
      <p><a href={address({ kind: "gallery", query: "" })}>{words.toGallery}</a></p>
    </article>
  );
}
