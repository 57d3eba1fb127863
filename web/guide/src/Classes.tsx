import type { Guide } from "./guide.ts";

/** All names that the guide knows, each with an example. */
export function Classes({ guide }: { guide: Guide }) {
  return (
    <section className="classes" aria-labelledby="classes-title">
      <h2 id="classes-title">What it knows <span className="soft number">{guide.classes.length}</span></h2>
      <ul>
        {guide.classes.map((it) => (
          <li key={it.name}>
            {it.examples[0] ? (
              <img src={`./${it.examples[0].file}`} alt="" loading="lazy" />
            ) : (
              <span className="no-example" aria-hidden="true" />
            )}
            <span className="class-name">{it.name}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
