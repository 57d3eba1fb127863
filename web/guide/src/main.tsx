import "@fieldguide/ui/style.css";
import "./guide.css";

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./App.tsx";
import { Classifier } from "./classifier.ts";
import { loadGuide } from "./guide.ts";
import { Trouble } from "./Trouble.tsx";
import { useWords } from "./words/index.ts";

declare global {
  interface Window {
    /** the guide for scripts: what the page itself asks */
    fieldguide?: Promise<Classifier>;
  }
}

const guide = loadGuide();
window.fieldguide = guide.then((it) => new Classifier(it, new URL("./model.onnx", document.baseURI).href));
const element = document.getElementById("root");
if (element) void show(createRoot(element));

async function show(root: ReturnType<typeof createRoot>): Promise<void> {
  try {
    const [it, classifier] = await Promise.all([guide, window.fieldguide]);
    if (!classifier) return;
    root.render(<StrictMode><App guide={it} classifier={classifier} /></StrictMode>);
  } catch (error) {
    root.render(<Unopened message={error instanceof Error ? error.message : ""} />);
  }
}

function Unopened({ message }: { message: string }) {
  return <main className="page"><Trouble title={useWords().unopened} message={message} /></main>;
}
