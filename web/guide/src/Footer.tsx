import { CloudCheck, CloudDownload } from "lucide-react";

import { Linked } from "./about/Linked.tsx";
import type { Guide } from "./guide.ts";
import { address } from "./route.ts";
import { useWords } from "./words/index.ts";

/** How good the guide is, whom to thank, and whether it works with the network off. */
export function Footer({ guide, isKept }: { guide: Guide; isKept: boolean }) {
  const words = useWords();
  const [accuracy, low, high] = guide.accuracy;
  return (
    <footer className="foot soft">
      {guide.branding.footer !== undefined && <p className="foot-own"><Linked text={guide.branding.footer} /></p>}
      <p>{words.accuracy(accuracy)} <span className="number">({words.range(low, high)})</span>.</p>
      {guide.served === null && (
        <p className="kept" role="status" data-kept={isKept}>
          {isKept ? <CloudCheck size={17} aria-hidden="true" /> : <CloudDownload size={17} aria-hidden="true" />}
          {isKept ? words.worksOffline : words.staysHere}
        </p>
      )}
      <p className="foot-links">
        <a href={address({ kind: "privacy" })}>{words.privacy}</a>
        <a href="./CREDITS.csv" download>{words.credits}</a>
        <a href="./licences.txt">{words.licences}</a>
        <a href="./onnxruntime-licence.txt">{words.runtimeLicence}</a>
        <a href="./font-licence.txt">{words.fontLicence}</a>
      </p>
    </footer>
  );
}
