import { useEffect } from "react";

import { About } from "./about/About.tsx";
import { Privacy } from "./about/Privacy.tsx";
import { Ask } from "./ask/Ask.tsx";
import { type Places, useModel } from "./ask/places.ts";
import { Footer } from "./Footer.tsx";
import { ClassPage } from "./gallery/ClassPage.tsx";
import { Gallery } from "./gallery/Gallery.tsx";
import type { Guide } from "./guide.ts";
import { Header } from "./Header.tsx";
import { findClass, nameIn } from "./names.ts";
import { NotFound } from "./NotFound.tsx";
import { useOffline } from "./offline.ts";
import { type Route, useRoute, useViewStart } from "./route.ts";
import { useLanguage, useWords, type Words } from "./words/index.ts";

/** The page: the view that the address names between the header and the footer. */
export function App({ guide, places }: { guide: Guide; places: Places }) {
  const words = useWords();
  const route = useRoute();
  const model = useModel(places.browser);
  const isKept = useOffline(places.server === null, model.kind);
  const language = useLanguage();
  const title = titleOf(route, guide, language, words);
  useViewStart();
  useEffect(() => {
    document.title = title;
  }, [title]);
  return (
    <div className="page">
      <Header guide={guide} route={route} />
      <main id="content" tabIndex={-1}>
        {/* it stays, so that an answer is still there when one comes back to it */}
        <div hidden={route.kind !== "ask"}>
          <Ask guide={guide} places={places} onAsk={() => (location.hash = "#/")} />
        </div>
        <View route={route} guide={guide} />
      </main>
      <Footer guide={guide} isKept={isKept} />
    </div>
  );
}

function View({ route, guide }: { route: Route; guide: Guide }) {
  if (route.kind === "ask") return null;
  if (route.kind === "gallery") return <Gallery guide={guide} route={route} />;
  if (route.kind === "class") return <ClassPage guide={guide} route={route} />;
  if (route.kind === "about") return <About guide={guide} />;
  return route.kind === "privacy" ? <Privacy guide={guide} /> : <NotFound />;
}

/** Return what the browser's tab and history call a view. */
function titleOf(route: Route, guide: Guide, language: string, words: Words): string {
  const name = guide.branding.title ?? guide.name;
  if (route.kind === "ask") return name;
  if (route.kind !== "class") return `${route.kind === "unknown" ? words.notFound : words[route.kind]} · ${name}`;
  const nameOf = (wanted: string | null) => {
    const it = findClass(guide, wanted ?? "");
    return it ? nameIn(it, language) : (wanted ?? "");
  };
  const title = route.beside === null ? nameOf(route.name) : words.pairTitle(nameOf(route.name), nameOf(route.beside));
  return `${title} · ${name}`;
}
