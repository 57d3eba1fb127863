import type { Guide } from "./guide.ts";
import { address, type Route } from "./route.ts";
import { chooseLanguage, useLanguage, useWords, WORDS } from "./words/index.ts";

const VIEWS: readonly Route[] = [{ kind: "ask" }, { kind: "gallery", query: "", order: "name" }, { kind: "about" }];

/** The guide's name, the ways to its views, and the language. */
export function Header({ guide, route }: { guide: Guide; route: Route }) {
  const words = useWords();
  const language = useLanguage();
  const titles: Partial<Record<Route["kind"], string>> = { ask: words.ask, gallery: words.gallery, about: words.about };
  const shown = route.kind === "class" ? "gallery" : route.kind;
  const Name = route.kind === "ask" ? "h1" : "p";
  return (
    <header className="head">
      <a className="skip" href="#content" onClick={skip}>{words.skip}</a>
      <Name className="brand">
        <a href={address({ kind: "ask" })}>
          <img src={`./${guide.branding.logo ?? "icon.svg"}`} alt="" />
          <span>{guide.branding.title ?? guide.name}</span>
        </a>
      </Name>
      <nav className="views" aria-label={words.sections}>
        {VIEWS.map((view) => (
          <a key={view.kind} href={address(view)} {...(view.kind === shown ? { "aria-current": "page" } : {})}>
            {titles[view.kind]}
          </a>
        ))}
      </nav>
      <select className="language" aria-label={words.languages} value={language} onChange={(event) => chooseLanguage(event.target.value)}>
        {Object.entries(WORDS).map(([code, { language: name }]) => <option key={code} value={code} lang={code}>{name}</option>)}
      </select>
    </header>
  );
}

/** Put the focus on the content; the address stays that of the view. */
function skip(event: React.MouseEvent): void {
  event.preventDefault();
  document.getElementById("content")?.focus();
}
