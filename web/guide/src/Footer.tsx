import { CloudCheck, CloudDownload } from "lucide-react";

import type { Guide } from "./guide.ts";
import { percent } from "./words.ts";

/** How good the guide is, whom to thank, and whether it works with the network off. */
export function Footer({ guide, isKept }: { guide: Guide; isKept: boolean }) {
  const [accuracy, low, high] = guide.accuracy;
  return (
    <footer className="foot soft">
      <p>
        Right for <span className="number">{percent(accuracy)}</span> of pictures it had never seen{" "}
        <span className="number">({percent(low)} to {percent(high)})</span>.{" "}
        <a href="./CREDITS.csv" download>Credits</a> · <a href="./licences.txt">Licences</a>,{" "}
        <a href="./onnxruntime-licence.txt">of the runtime</a>
      </p>
      <p className="kept" role="status" data-kept={isKept}>
        {isKept ? <CloudCheck size={17} aria-hidden="true" /> : <CloudDownload size={17} aria-hidden="true" />}
        {isKept ? "Works without a network" : "Pictures never leave this device"}
      </p>
    </footer>
  );
}
