import "@fieldguide/ui/style.css";
import "./guide.css";
import "./ask/ask.css";

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./App.tsx";
import type { Places } from "./ask/places.ts";
import { showBrand } from "./brand.ts";
import { Classifier } from "./classifier.ts";
import { type Guide, loadGuide } from "./guide.ts";
import { KeyForm } from "./KeyForm.tsx";
import { below, KeyNeeded } from "./request.ts";
import { Server } from "./server.ts";
import { Trouble } from "./Trouble.tsx";
import { useWords } from "./words/index.ts";

declare global {
  interface Window {
    /** the guide for scripts: what the page itself asks in this browser */
    fieldguide?: Promise<Classifier | null>;
  }
}

const element = document.getElementById("root");
if (element) void show(createRoot(element));

/** Show the guide, or what keeps it from being shown. */
async function show(root: ReturnType<typeof createRoot>): Promise<void> {
  const places = loadGuide().then((guide) => [guide, placesOf(guide)] as const);
  window.fieldguide = places.then(([, { browser }]) => browser);
  try {
    const [guide, chosen] = await places;
    showBrand(guide.branding);
    root.render(<StrictMode><App guide={guide} places={chosen} /></StrictMode>);
  } catch (error) {
    if (error instanceof KeyNeeded) root.render(<KeyForm onOpen={() => void show(root)} />);
    else root.render(<Unopened message={error instanceof Error ? error.message : ""} />);
  }
}

/** Return who can answer for a guide here. */
function placesOf(guide: Guide): Places {
  const model = guide.served ? guide.served.model : "model.onnx";
  return {
    server: guide.served ? new Server(guide) : null,
    browser: model === null ? null : new Classifier(guide, below(model)),
  };
}

function Unopened({ message }: { message: string }) {
  return <main className="page"><Trouble title={useWords().unopened} message={message} /></main>;
}
