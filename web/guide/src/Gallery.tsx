import type { Guide } from "./guide.ts";
import { address } from "./route.ts";
import { useWords } from "./words/index.ts";

/** All names that the guide knows, each with an example. */
export function Gallery({ guide }: { guide: Guide }) {
  const words = useWords();
  return (
    <section className="gallery">
      <h1 tabIndex={-1}>{words.whatItKnows} <span className="soft number">{guide.classes.length}</span></h1>
      <ul className="tiles">
        {guide.classes.map((it) => (
          <li key={it.name}>
            <a href={address({ kind: "class", name: it.name, beside: null })}>
              {it.examples[0] ? (
                <img src={`./${it.examples[0].file}`} alt="" loading="lazy" />
              ) : (
                <span className="no-example" aria-hidden="true" />
              )}
              <span className="class-name">{it.name}</span>
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}
